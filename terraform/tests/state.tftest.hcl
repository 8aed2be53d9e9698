# What is kept, for how long, and what is never kept.

mock_provider "google" {}

# One run for all of it: a plan and an apply cost more than the questions.

run "what_is_kept" {
  command = apply

  # Without a bundle: the foundations alone -------------------------------------------------------------

  assert {
    condition     = length(google_cloudfunctions2_function.function) == 0 && length(google_cloud_scheduler_job.job) == 0 && length(google_storage_bucket_object.bundle) == 0
    error_message = "Without a bundle something is deployed all the same."
  }

  assert {
    condition     = toset(keys(google_secret_manager_secret.secret)) == toset(flatten([for entry in values(local.map) : entry.secrets]))
    error_message = "A secret of the map is not made."
  }

  assert {
    condition     = alltrue([for secret in google_secret_manager_secret.secret : one(secret.replication[0].user_managed[0].replicas).location == "europe-west1"])
    error_message = "A secret is kept outside the region."
  }

  assert {
    condition     = google_kms_crypto_key.keyset.deletion_policy == "PREVENT" && google_firestore_database.pledge.deletion_policy == "PREVENT" && google_storage_bucket.evidence.deletion_policy == "PREVENT" && alltrue([for secret in google_secret_manager_secret.secret : secret.deletion_policy == "PREVENT"])
    error_message = "Terraform could destroy what cannot be made again."
  }

  assert {
    condition     = tonumber(trimsuffix(google_kms_crypto_key.keyset.rotation_period, "s")) >= 86400 && google_kms_crypto_key.keyset.destroy_scheduled_duration == "2592000s"
    error_message = "The key is not rotated, or could be destroyed in less than thirty days."
  }

  # The database ----------------------------------------------------------------------------------------

  assert {
    condition     = google_firestore_database.pledge.name == "pledge" && google_firestore_database.pledge.type == "FIRESTORE_NATIVE" && google_firestore_database.pledge.location_id == "europe-west1"
    error_message = "The database is not Pledge's own, not native, or elsewhere."
  }

  assert {
    condition     = google_firestore_database.pledge.point_in_time_recovery_enablement == "POINT_IN_TIME_RECOVERY_ENABLED" && google_firestore_database.pledge.delete_protection_state == "DELETE_PROTECTION_ENABLED"
    error_message = "The database can be deleted, or not be read as it was."
  }

  assert {
    condition     = tonumber(trimsuffix(google_firestore_backup_schedule.daily.retention, "s")) <= 7 * 24 * 60 * 60
    error_message = "A backup outlives day 14 of an erasure."
  }

  assert {
    condition     = length(google_firestore_index.index) == length(local.firestore.indexes) && length(local.firestore.indexes) > 0
    error_message = "An index that a query needs is missing."
  }

  assert {
    condition     = alltrue([for key, index in google_firestore_index.index : key == join(".", concat([index.collection], index.fields[*].field_path)) && alltrue([for field in index.fields : field.order == "ASCENDING"])])
    error_message = "An index is not over the fields of its query, in their order."
  }

  assert {
    condition     = length(google_firestore_field.field) == length(toset(concat(keys(local.exempt), keys(local.ttl)))) && length(local.exempt) == length(local.firestore.exemptions)
    error_message = "A field is missing among the exemptions."
  }

  assert {
    condition     = alltrue([for key, field in google_firestore_field.field : length(field.index_config) == (contains(keys(local.exempt), key) ? 1 : 0) && length(field.ttl_config) == (contains(keys(local.ttl), key) ? 1 : 0)])
    error_message = "A field is indexed that need not be, or expires that should not."
  }

  assert {
    condition     = alltrue([for field in google_firestore_field.field : alltrue([for config in field.index_config : length(config.indexes) == 0])])
    error_message = "An exempted field has an index."
  }

  assert {
    condition     = alltrue([for resource in concat(values(google_firestore_index.index), values(google_firestore_field.field)) : resource.database == "pledge"])
    error_message = "An index stands in another database."
  }

  # The buckets -----------------------------------------------------------------------------------------

  assert {
    condition     = google_storage_bucket.evidence.retention_policy[0].retention_period == tostring(1100 * 86400) && !google_storage_bucket.evidence.retention_policy[0].is_locked
    error_message = "Evidence is not kept for three years, or was locked without being asked."
  }

  assert {
    condition     = alltrue([for bucket in [google_storage_bucket.evidence, google_storage_bucket.source] : bucket.public_access_prevention == "enforced" && bucket.uniform_bucket_level_access])
    error_message = "A bucket can be opened to the public."
  }

  assert {
    condition     = google_storage_bucket.evidence.force_destroy == false && google_storage_bucket.evidence.soft_delete_policy[0].retention_duration_seconds == 0 && length(google_storage_bucket.evidence.versioning) == 0
    error_message = "Evidence can be destroyed with its bucket, or is kept longer than said."
  }

  assert {
    condition     = alltrue([for name in [google_storage_bucket.evidence.name, google_storage_bucket.source.name] : length(name) <= 63])
    error_message = "A bucket's name is too long."
  }

  # The topic -------------------------------------------------------------------------------------------

  assert {
    condition     = toset(keys(google_pubsub_topic.topic)) == toset([for entry in values(local.map) : entry.trigger.topic.name if can(entry.trigger.topic)])
    error_message = "A topic of the map is not made."
  }

  assert {
    condition     = alltrue([for topic in google_pubsub_topic.topic : topic.message_storage_policy[0].allowed_persistence_regions == toset(["europe-west1"])])
    error_message = "Messages leave the region."
  }

  # Logs and alerts -------------------------------------------------------------------------------------

  assert {
    condition     = strcontains(google_logging_project_exclusion.requests.filter, "logName=\"projects/sample-rooms/logs/run.googleapis.com%2Frequests\"") && google_logging_project_exclusion.requests.disabled != true
    error_message = "Request logs are stored: they hold tokens and addresses."
  }

  assert {
    condition     = alltrue([for name in keys(local.map) : strcontains(google_logging_project_exclusion.requests.filter, "\"${name}\"")])
    error_message = "A function's request log is stored."
  }

  assert {
    condition     = google_logging_project_bucket_config.default.bucket_id == "_Default" && google_logging_project_bucket_config.default.retention_days == 30
    error_message = "Logs are kept for another time than said."
  }

  assert {
    condition     = strcontains(google_monitoring_alert_policy.errors.conditions[0].condition_matched_log[0].filter, "severity>=ERROR") && strcontains(google_monitoring_alert_policy.errors.conditions[0].condition_matched_log[0].filter, "logName!=\"projects/sample-rooms/logs/run.googleapis.com%2Frequests\"")
    error_message = "An error alerts nobody, or an alert could quote a request."
  }

  assert {
    condition     = alltrue([for policy in [google_monitoring_alert_policy.errors, google_monitoring_alert_policy.warnings, google_monitoring_alert_policy.jobs] : policy.notification_channels == tolist([google_monitoring_notification_channel.mail.name])])
    error_message = "An alert reaches nobody."
  }

  assert {
    condition     = google_monitoring_notification_channel.mail.labels["email_address"] == "privacy-desk@sample-rooms.example"
    error_message = "Alerts go to somebody else."
  }

  assert {
    condition     = strcontains(google_monitoring_alert_policy.warnings.conditions[0].condition_threshold[0].filter, "logging.googleapis.com/user/pledge/warnings") && strcontains(google_logging_metric.warnings.filter, "severity=WARNING")
    error_message = "Nobody counts the warnings."
  }
}

run "a_locked_bucket" {
  command = plan

  variables {
    lock_evidence = true
  }

  assert {
    condition     = google_storage_bucket.evidence.retention_policy[0].is_locked
    error_message = "The evidence is not locked."
  }
}
