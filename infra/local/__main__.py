"""`python -m infra.local`: run the whole product on this machine."""

from infra.local.server import main

main()
