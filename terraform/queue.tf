# A task carries the id of a work item and says "now". Where it goes and as whom is the queue's affair: functions know its
# name alone. The work items are the one authority for trying again; the queue covers crashes, and the sweep what it drops.
resource "google_cloud_tasks_queue" "queue" {
  for_each = local.queues

  name     = each.key
  location = var.region

  http_target {
    http_method = "POST"

    uri_override {
      scheme                    = "HTTPS"
      host                      = local.hosts[each.value]
      port                      = "443"
      uri_override_enforce_mode = "ALWAYS"

      path_override {
        path = "/"
      }
    }

    oidc_token {
      service_account_email = google_service_account.caller["task"].email
      audience              = "https://${local.hosts[each.value]}"
    }
  }

  rate_limits {
    max_dispatches_per_second = 50
    max_concurrent_dispatches = local.functions[each.value].limits.concurrency * local.functions[each.value].limits.max_instances
  }

  retry_config {
    max_attempts       = 5
    max_retry_duration = "600s"
    min_backoff        = "5s"
    max_backoff        = "120s"
    max_doublings      = 4
  }

  # a line of every hundredth operation: they hold ids and addresses of ours, nothing of a person
  stackdriver_logging_config {
    sampling_ratio = 0.01
  }

  depends_on = [google_project_service.service]
}
