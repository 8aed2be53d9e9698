# What wrong settings get: a sentence for each, before anything is made. A run names every variable it gets wrong.

mock_provider "google" {}

run "places" {
  command = plan

  variables {
    project_id     = "Sample Rooms"   # a name
    project_number = "sample-rooms"   # the id
    region         = "europe-west1-b" # a zone
  }

  expect_failures = [var.project_id, var.project_number, var.region]
}

run "addresses" {
  command = plan

  variables {
    public_base_url   = "https://privacy.sample-rooms.example/" # a slash at the end
    website_origins   = ["https://sample-rooms.example/shop"]
    sendgrid_api_base = "https://api.sendgrid.example"

    sendgrid_webhook_public_keys = ["-----BEGIN PUBLIC KEY-----"]

    alert_email     = ""
    operators       = []
    ga_property     = "UA-1"
    meta_ad_account = "1000001"
  }

  expect_failures = [var.public_base_url, var.website_origins, var.sendgrid_api_base, var.sendgrid_webhook_public_keys, var.alert_email, var.operators, var.ga_property, var.meta_ad_account]
}

run "times_and_names" {
  command = plan

  variables {
    backup_retention_days   = 8
    log_retention_days      = 3651
    evidence_retention_days = 365
    database                = "P"
    runtime                 = "python39"
    operators               = ["ada"]
    public_base_url         = "http://privacy.sample-rooms.example"
  }

  expect_failures = [
    var.backup_retention_days, var.log_retention_days, var.evidence_retention_days, var.database, var.runtime, var.operators, var.public_base_url,
  ]
}

run "what_is_not_there_and_what_is_somebody_elses" {
  command = plan

  variables {
    bundle   = "nowhere.zip"
    database = "(default)" # the website's
  }

  expect_failures = [var.bundle, var.database]
}

run "a_version_that_changes_under_a_running_function" {
  command = plan

  variables {
    secret_versions = { KEYSET = "latest" }
  }

  expect_failures = [var.secret_versions]
}

run "a_bundle_whose_secrets_are_not_pinned" {
  command = plan

  variables {
    bundle          = "functions.yaml"
    secret_versions = { KEYSET = "1" }
  }

  expect_failures = [var.secret_versions]
}

run "a_secret_that_nobody_uses" {
  command = plan

  variables {
    secret_versions = { KEYSETS = "1" }
  }

  expect_failures = [var.secret_versions]
}
