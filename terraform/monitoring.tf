resource "google_monitoring_notification_channel" "mail" {
  display_name = "Pledge"
  type         = "email"
  labels       = { email_address = var.alert_email }
  depends_on   = [google_project_service.service]
}

# `crashed`, `work_failed` and whatever else our log calls an error, the platform's own errors (memory, time-outs), and the
# two warnings that a person must see at once: a call or a message that will be refused again however often it comes.
# The request log is left out by name: an alert quotes the line it is about.
resource "google_monitoring_alert_policy" "errors" {
  display_name          = "Pledge: an error in a function"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = [google_monitoring_notification_channel.mail.name]

  conditions {
    display_name = "an error, or a call or message refused"

    condition_matched_log {
      filter = "${local.our_functions} AND (severity>=ERROR OR jsonPayload.event=(\"caller_refused\" OR \"message_unusable\")) AND logName!=\"${local.request_log}\""

      label_extractors = {
        event    = "EXTRACT(jsonPayload.event)"
        function = "EXTRACT(jsonPayload.function)"
      }
    }
  }

  alert_strategy {
    auto_close = "86400s"

    notification_rate_limit {
      period = "3600s"
    }
  }
}

resource "google_monitoring_alert_policy" "warnings" {
  display_name          = "Pledge: something has been unavailable again and again"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = [google_monitoring_notification_channel.mail.name]

  conditions {
    display_name = "more than 20 warnings of one kind in 10 minutes"

    condition_threshold {
      filter          = "resource.type=\"cloud_run_revision\" AND metric.type=\"logging.googleapis.com/user/${google_logging_metric.warnings.name}\""
      comparison      = "COMPARISON_GT"
      threshold_value = 20
      duration        = "0s"

      aggregations {
        alignment_period     = "600s"
        per_series_aligner   = "ALIGN_SUM"
        cross_series_reducer = "REDUCE_SUM"
        group_by_fields      = ["metric.label.event"]
      }
    }
  }
}

# A scheduled call that failed after all its tries.
resource "google_monitoring_alert_policy" "jobs" {
  display_name          = "Pledge: a scheduled job failed"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = [google_monitoring_notification_channel.mail.name]

  conditions {
    display_name = "Cloud Scheduler says so"

    condition_matched_log {
      filter = "resource.type=\"cloud_scheduler_job\" AND resource.labels.job_id:\"pledge-\" AND severity>=ERROR"
    }
  }

  alert_strategy {
    auto_close = "86400s"

    notification_rate_limit {
      period = "3600s"
    }
  }
}

# Silence is the one failure that nothing logs. Watched are the jobs that run every hour or more often: Cloud Monitoring
# sees no silence longer than 23.5 hours.
resource "google_monitoring_alert_policy" "silence" {
  for_each = { for name, entry in local.called : name => entry if entry.kind == "schedule" && try(split(" ", entry.trigger.schedule.cron)[1], "") == "*" }

  display_name          = "Pledge: ${each.key} has not run"
  combiner              = "OR"
  severity              = "CRITICAL"
  notification_channels = [google_monitoring_notification_channel.mail.name]

  conditions {
    display_name = "no successful call of ${each.key}"

    condition_absent {
      filter   = "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=\"${google_cloudfunctions2_function.function[each.key].name}\" AND metric.type=\"run.googleapis.com/request_count\" AND metric.labels.response_code_class=\"2xx\""
      duration = startswith(each.value.trigger.schedule.cron, "*/") ? "1800s" : "10800s"

      aggregations {
        alignment_period     = "300s"
        per_series_aligner   = "ALIGN_SUM"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }
}
