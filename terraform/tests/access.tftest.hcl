# Who may do what, and who may call whom.

mock_provider "google" {
  # a plan tells the accounts apart already
  mock_resource "google_service_account" {
    override_during = plan
    defaults        = {}
  }

  override_resource {
    target          = google_cloudfunctions2_function.function
    override_during = plan
    values          = { service_config = { uri = "https://checkpoints-abcdefghij-ew.a.run.app" } }
  }

  override_resource {
    target          = google_cloudfunctions2_function.subscriber
    override_during = plan
    values          = { service_config = { uri = "https://policy-published-abcdefghij-ew.a.run.app" } }
  }
}

variables {
  # any file will do: nothing here looks into it
  bundle = "functions.yaml"
}

run "callers" {
  command = plan

  assert {
    condition     = toset(keys(google_cloud_run_service_iam_member.public)) == toset([for name, entry in local.map : name if can(entry.trigger.http)])
    error_message = "A function is public that is not called over HTTP by anybody, or the other way round."
  }

  assert {
    condition     = alltrue([for member in google_cloud_run_service_iam_member.public : member.member == "allUsers" && member.role == "roles/run.invoker"])
    error_message = "A public function cannot be called."
  }

  assert {
    condition     = toset(keys(google_cloud_run_service_iam_member.internal)) == toset([for name, entry in local.map : name if !can(entry.trigger.http)])
    error_message = "An internal function cannot be called by the platform."
  }

  assert {
    condition = alltrue([
      for name, member in google_cloud_run_service_iam_member.internal :
      member.service == name && member.member == google_service_account.caller[one(keys(local.map[name].trigger))].member
    ])
    error_message = "An internal function may be called by more than the account of its kind."
  }

  assert {
    condition     = length(distinct([for account in google_service_account.caller : account.email])) == length(google_service_account.caller)
    error_message = "Queue, scheduler and topic share an account."
  }

  assert {
    condition     = alltrue([for account in merge(google_service_account.function, google_service_account.caller) : can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", account.account_id))])
    error_message = "A service account's id is too long or has letters it must not have."
  }
}

run "least_privilege" {
  command = plan

  assert {
    condition     = alltrue([for grant in google_project_iam_member.database : endswith(grant.condition[0].expression, "resource.name == \"projects/sample-rooms/databases/pledge\"")])
    error_message = "A role on the database reaches every database of the project."
  }

  assert {
    condition     = alltrue([for key, grant in google_project_iam_member.database : startswith(grant.role, "roles/datastore.")])
    error_message = "Something other than the database is granted on the whole project."
  }

  assert {
    condition = length(google_project_iam_member.database) + length(google_cloud_tasks_queue_iam_member.enqueuer) + length(google_pubsub_topic_iam_member.publisher) + length(distinct([
      for key, grant in local.grants : key if startswith(grant.role, "storage.")
    ])) == sum([for entry in values(local.map) : length(entry.roles)])
    error_message = "A role of the map is granted nowhere."
  }

  assert {
    condition     = toset(keys(google_kms_crypto_key_iam_member.decrypter)) == toset([for name, entry in local.map : name if contains(entry.secrets, "KEYSET")])
    error_message = "A function may unwrap the keyset and has none, or has one it cannot unwrap."
  }

  assert {
    condition     = alltrue([for grant in google_kms_crypto_key_iam_member.decrypter : grant.role == "roles/cloudkms.cryptoKeyDecrypter"])
    error_message = "A function may do more with the key than unwrap."
  }

  assert {
    condition     = length(google_secret_manager_secret_iam_member.accessor) == sum([for entry in values(local.map) : length(entry.secrets)])
    error_message = "A function may read a secret that is not its own, or cannot read its own."
  }

  assert {
    condition     = alltrue([for key, grant in google_secret_manager_secret_iam_member.accessor : grant.secret_id == split("/", key)[1] && grant.member == google_service_account.function[split("/", key)[0]].member])
    error_message = "A secret is open to another function."
  }

  assert {
    condition     = [for grant in google_storage_bucket_iam_member.website : [grant.bucket, grant.role, grant.member]] == [["sample-rooms-uploads", "roles/storage.objectUser", google_service_account.function["work"].member]]
    error_message = "The website's files are open to another function than work, or not to work."
  }

  assert {
    condition     = keys(google_project_iam_member.website_database) == ["work"] && endswith(google_project_iam_member.website_database["work"].condition[0].expression, "\"projects/sample-rooms/databases/(default)\"")
    error_message = "The website's documents are open to another function than work, or in another database."
  }

  assert {
    condition     = alltrue([for grant in google_storage_bucket_iam_member.evidence : grant.bucket == google_storage_bucket.evidence.name && !strcontains(grant.role, "Admin")])
    error_message = "A function may administer the evidence bucket."
  }
}

run "a_website_in_another_project" {
  command = plan

  variables {
    website = { project = "sample-website", database = "pledge", buckets = [] }
  }

  assert {
    condition     = google_project_iam_member.website_database["work"].project == "sample-website" && endswith(google_project_iam_member.website_database["work"].condition[0].expression, "\"projects/sample-website/databases/pledge\"")
    error_message = "The role on the website's database is not granted in the website's project."
  }
}
