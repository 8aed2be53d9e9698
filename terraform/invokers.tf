# Who may call what. A gen 2 function is a Cloud Run service of the same name.

resource "google_cloud_run_service_iam_member" "public" {
  for_each = { for name, entry in local.called : name => entry if entry.kind == "http" }

  location = var.region
  service  = google_cloudfunctions2_function.function[each.key].name
  role     = "roles/run.invoker"
  member   = "allUsers"
}

resource "google_cloud_run_service_iam_member" "internal" {
  for_each = { for name, entry in local.deployed : name => entry if entry.kind != "http" }

  location = var.region
  service  = local.running[each.key].name
  role     = "roles/run.invoker"
  member   = google_service_account.caller[each.value.kind].member
}

resource "google_project_iam_member" "eventarc" {
  for_each = length(local.topics) > 0 ? toset(["roles/eventarc.eventReceiver"]) : toset([])

  project = var.project_id
  role    = each.key
  member  = google_service_account.caller["topic"].member
}
