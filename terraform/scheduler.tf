resource "google_cloud_scheduler_job" "job" {
  for_each = { for name, entry in local.called : name => entry if entry.kind == "schedule" }

  name             = "pledge-${each.key}"
  region           = var.region
  schedule         = each.value.trigger.schedule.cron
  time_zone        = "Etc/UTC"
  attempt_deadline = "${each.value.limits.timeout_seconds + 15}s"

  http_target {
    http_method = "POST"
    uri         = "https://${local.hosts[each.key]}/"

    oidc_token {
      service_account_email = google_service_account.caller["schedule"].email
      audience              = "https://${local.hosts[each.key]}"
    }
  }

  # a job may run twice: each finds what is left to do
  retry_config {
    retry_count          = 3
    min_backoff_duration = "30s"
    max_backoff_duration = "300s"
  }

  depends_on = [google_cloud_run_service_iam_member.internal]
}
