locals {
  # every log filter here means our functions and no others
  our_functions = "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=(${join(" OR ", [for name in sort(keys(local.functions)) : "\"${name}\""])})"
  request_log   = "projects/${var.project_id}/logs/run.googleapis.com%2Frequests"
}

# The platform's own request log holds full addresses (with tokens in them), the callers' addresses and their browsers.
resource "google_logging_project_exclusion" "requests" {
  name        = "pledge-requests"
  description = "Request logs of the functions: they hold personal data and are never stored."
  filter      = "${local.our_functions} AND logName=\"${local.request_log}\""
  depends_on  = [google_project_service.service]
}

resource "google_logging_project_bucket_config" "default" {
  project        = var.project_id
  location       = "global"
  bucket_id      = "_Default"
  retention_days = var.log_retention_days
  depends_on     = [google_project_service.service]
}

# Warnings come one at a time and mend themselves; many of them do not.
resource "google_logging_metric" "warnings" {
  name   = "pledge/warnings"
  filter = "${local.our_functions} AND severity=WARNING AND jsonPayload.event:*"

  label_extractors = {
    event    = "EXTRACT(jsonPayload.event)"
    function = "EXTRACT(jsonPayload.function)"
  }

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"

    labels {
      key        = "event"
      value_type = "STRING"
    }

    labels {
      key        = "function"
      value_type = "STRING"
    }
  }

  depends_on = [google_project_service.service]
}
