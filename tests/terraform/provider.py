"""A stand-in for the google provider: its schema and nothing else, over the plugin protocol, on loopback.

With it Terraform's own `validate` and `test` run without a registry and without Google: names, types, required arguments
and nesting are checked as the real provider has them. What only the real one knows (which values it takes, what a change
would replace) is not. `terraform test` mocks every resource, so nothing is ever asked of it but the schema.
"""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import grpc
from tfplugin_proto import tfplugin5_2_pb2 as protocol
from tfplugin_proto import tfplugin5_2_pb2_grpc as service

SCHEMA = Path(__file__).with_name("google_schema.json")
Block = protocol.Schema.Block
NESTING = protocol.Schema.NestedBlock
HOW = {"single": NESTING.SINGLE, "list": NESTING.LIST, "set": NESTING.SET}


def block(described: dict[str, Any]) -> Any:
    """Return a block of `google_schema.json` as the protocol says it."""
    made = Block()
    for name, attribute in described.get("attributes", {}).items():
        flags = {flag: attribute.get(flag, False) for flag in ("required", "optional", "computed")}
        made.attributes.add(name=name, type=json.dumps(attribute["type"]).encode(), **flags)
    for name, inner in described.get("blocks", {}).items():
        limits = {"min_items": inner.get("min", 0), "max_items": inner.get("max", 0)}
        made.block_types.add(type_name=name, block=block(inner), nesting=HOW[inner["nesting"]], **limits)
    return made


def schema() -> Any:
    """Return the whole schema, as Terraform asks for it."""
    described = json.loads(SCHEMA.read_text())
    answer = protocol.GetProviderSchema.Response()
    answer.provider.block.CopyFrom(block(described["provider"]))
    for name, resource in described["resources"].items():
        answer.resource_schemas[name].block.CopyFrom(block(resource))
    return answer


class GoogleSchema(service.ProviderServicer):
    """Answers what `validate` and mocked tests ask; the rest is refused as unimplemented."""

    def __init__(self) -> None:
        self._schema = schema()

    def GetSchema(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Return the schema."""
        return self._schema

    def PrepareProviderConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Take the provider's settings as they are."""
        return protocol.PrepareProviderConfig.Response(prepared_config=request.config)

    def ValidateResourceTypeConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Find nothing wrong: Terraform itself has checked it against the schema."""
        return protocol.ValidateResourceTypeConfig.Response()

    def Stop(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Agree to stop."""
        return protocol.Stop.Response()


class Provider:
    """The stand-in as a running server; `environment` makes Terraform use it instead of asking a registry."""

    def __init__(self) -> None:
        self._server = grpc.server(ThreadPoolExecutor(4))
        service.add_ProviderServicer_to_server(GoogleSchema(), self._server)
        self._port = self._server.add_insecure_port("127.0.0.1:0")

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(grace=None)

    @property
    def environment(self) -> dict[str, str]:
        """Return what Terraform must be told to attach to this process."""
        address = {"Network": "tcp", "String": f"127.0.0.1:{self._port}"}
        attach = {"Protocol": "grpc", "ProtocolVersion": 5, "Pid": os.getpid(), "Test": True, "Addr": address}
        return {"TF_REATTACH_PROVIDERS": json.dumps({"hashicorp/google": attach})}
