# The functions that are called over HTTP: by anybody, by the queue or by the scheduler.
resource "google_cloudfunctions2_function" "function" {
  for_each = local.called

  name     = each.key
  location = var.region

  build_config {
    runtime         = var.runtime
    entry_point     = replace(each.key, "-", "_")
    service_account = google_service_account.build.name

    source {
      storage_source {
        bucket = google_storage_bucket.source.name
        object = google_storage_bucket_object.bundle[0].name
      }
    }
  }

  service_config {
    available_memory                 = each.value.limits.memory
    available_cpu                    = local.cpu
    timeout_seconds                  = each.value.limits.timeout_seconds
    max_instance_request_concurrency = each.value.limits.concurrency
    max_instance_count               = each.value.limits.max_instances
    min_instance_count               = 0
    ingress_settings                 = each.value.kind == "http" ? "ALLOW_ALL" : local.internal_ingress
    service_account_email            = google_service_account.function[each.key].email
    environment_variables            = local.environment[each.key]

    dynamic "secret_environment_variables" {
      for_each = toset(each.value.secrets)
      iterator = secret

      content {
        key        = secret.key
        project_id = var.project_id
        secret     = google_secret_manager_secret.secret[secret.key].secret_id
        version    = var.secret_versions[secret.key]
      }
    }
  }

  depends_on = [google_project_iam_member.build, google_secret_manager_secret_iam_member.accessor]
}

# The functions that hear on a topic. They stand apart for one reason: see `eventarc_audience`.
resource "google_cloudfunctions2_function" "subscriber" {
  for_each = local.notified

  name     = each.key
  location = var.region

  build_config {
    runtime         = var.runtime
    entry_point     = replace(each.key, "-", "_")
    service_account = google_service_account.build.name

    source {
      storage_source {
        bucket = google_storage_bucket.source.name
        object = google_storage_bucket_object.bundle[0].name
      }
    }
  }

  service_config {
    available_memory                 = each.value.limits.memory
    available_cpu                    = local.cpu
    timeout_seconds                  = each.value.limits.timeout_seconds
    max_instance_request_concurrency = each.value.limits.concurrency
    max_instance_count               = each.value.limits.max_instances
    min_instance_count               = 0
    ingress_settings                 = local.internal_ingress
    service_account_email            = google_service_account.function[each.key].email
    environment_variables            = merge(local.environment[each.key], { OIDC_AUDIENCE = local.eventarc_audience })

    dynamic "secret_environment_variables" {
      for_each = toset(each.value.secrets)
      iterator = secret

      content {
        key        = secret.key
        project_id = var.project_id
        secret     = google_secret_manager_secret.secret[secret.key].secret_id
        version    = var.secret_versions[secret.key]
      }
    }
  }

  event_trigger {
    event_type            = "google.cloud.pubsub.topic.v1.messagePublished"
    pubsub_topic          = google_pubsub_topic.topic[each.value.trigger.topic.name].id
    trigger_region        = var.region
    retry_policy          = "RETRY_POLICY_RETRY"
    service_account_email = google_service_account.caller["topic"].email
  }

  depends_on = [google_project_iam_member.build, google_project_iam_member.eventarc, google_secret_manager_secret_iam_member.accessor]
}

locals {
  running = merge(google_cloudfunctions2_function.function, google_cloudfunctions2_function.subscriber)

  # More than one request at a time needs a whole CPU, and a cold start on a sixth of one takes seconds.
  cpu = "1"

  # Cloud Tasks, Cloud Scheduler and Eventarc of the same project count as internal at a run.app address.
  internal_ingress = "ALLOW_INTERNAL_ONLY"

  # Cloud Run gives each service two addresses. Ours is the one with the project's number. Eventarc addresses its tokens to
  # the other, whose middle part Google makes up once for a project and region: any function's own address tells it.
  some_function     = try(sort(keys(local.called))[0], null)
  made_up           = try(trimprefix(google_cloudfunctions2_function.function[local.some_function].service_config[0].uri, "https://${local.some_function}-"), "")
  eventarc_audience = join(",", distinct([local.audience, "https://{function}-${local.made_up}"]))
}

check "eventarc_audience" {
  assert {
    condition = alltrue([
      for name, function in google_cloudfunctions2_function.subscriber :
      contains(split(",", replace(local.eventarc_audience, "{function}", name)), function.service_config[0].uri)
    ])
    error_message = "A function behind a topic has an address that its OIDC_AUDIENCE does not name: it will refuse Eventarc's calls."
  }
}
