# One account for each function, one for each way of being called, one that builds. None has a key.

resource "google_service_account" "function" {
  for_each = local.functions

  account_id   = "pledge-${each.key}"
  display_name = "Pledge: runs ${each.key}"
  depends_on   = [google_project_service.service]
}

resource "google_service_account" "caller" {
  for_each = toset([for entry in values(local.functions) : entry.kind if entry.kind != "http"])

  account_id   = "pledge-calls-by-${each.key}"
  display_name = "Pledge: calls what a ${each.key} triggers"
  depends_on   = [google_project_service.service]
}

resource "google_service_account" "build" {
  account_id   = "pledge-build"
  display_name = "Pledge: builds the functions"
  depends_on   = [google_project_service.service]
}

locals {
  grants = merge([
    for name, entry in local.functions : { for role in entry.roles : "${name}/${role}" => { function = name, role = role } }
  ]...)
}

# The database: a role is given on a project, so a condition narrows it to the one database.
resource "google_project_iam_member" "database" {
  for_each = { for key, grant in local.grants : key => grant if startswith(grant.role, "datastore.") }

  project = var.project_id
  role    = "roles/${each.value.role}"
  member  = google_service_account.function[each.value.function].member

  condition {
    title      = "pledge_database"
    expression = "resource.type == \"firestore.googleapis.com/Database\" && resource.name == \"projects/${var.project_id}/databases/${google_firestore_database.pledge.name}\""
  }
}

resource "google_cloud_tasks_queue_iam_member" "enqueuer" {
  for_each = { for key, grant in local.grants : key => grant if grant.role == "cloudtasks.enqueuer" }

  name     = google_cloud_tasks_queue.queue["work"].name
  location = var.region
  role     = "roles/${each.value.role}"
  member   = google_service_account.function[each.value.function].member
}

resource "google_pubsub_topic_iam_member" "publisher" {
  for_each = { for key, grant in local.grants : key => grant if grant.role == "pubsub.publisher" }

  topic  = google_pubsub_topic.topic["policy-published"].name
  role   = "roles/${each.value.role}"
  member = google_service_account.function[each.value.function].member
}

# The evidence bucket: those who are told its name.
resource "google_storage_bucket_iam_member" "evidence" {
  for_each = {
    for key, grant in local.grants : key => grant
    if startswith(grant.role, "storage.") && contains(local.functions[grant.function].settings, "EVIDENCE_BUCKET")
  }

  bucket = google_storage_bucket.evidence.name
  role   = "roles/${each.value.role}"
  member = google_service_account.function[each.value.function].member
}

# The website's own data: those who are told where it is. Who is told only what it is (WEBSITE_DATA) gets at none of it.
locals {
  website_readers = [for name, entry in local.functions : name if contains(entry.settings, "WEBSITE_DATABASE")]
  website_grants = {
    for pair in setproduct([for key, grant in local.grants : key if startswith(grant.role, "storage.") && contains(local.website_readers, grant.function)], var.website.buckets) :
    "${pair[0]}/${pair[1]}" => merge(local.grants[pair[0]], { bucket = pair[1] })
  }
}

resource "google_storage_bucket_iam_member" "website" {
  for_each = local.website_grants

  bucket = each.value.bucket
  role   = "roles/${each.value.role}"
  member = google_service_account.function[each.value.function].member
}

resource "google_project_iam_member" "website_database" {
  for_each = toset(local.website_readers)

  project = local.website_project
  role    = "roles/datastore.user"
  member  = google_service_account.function[each.key].member

  condition {
    title      = "website_database"
    expression = "resource.type == \"firestore.googleapis.com/Database\" && resource.name == \"projects/${local.website_project}/databases/${var.website.database}\""
  }
}

resource "google_project_iam_member" "build" {
  for_each = {
    "roles/logging.logWriter"       = null
    "roles/artifactregistry.writer" = null
    "roles/storage.objectViewer"    = "resource.name.startsWith(\"projects/_/buckets/gcf-v2-\") || resource.name.startsWith(\"projects/_/buckets/${google_storage_bucket.source.name}\")"
  }

  project = var.project_id
  role    = each.key
  member  = google_service_account.build.member

  dynamic "condition" {
    for_each = each.value == null ? [] : [each.value]

    content {
      title      = "function_sources"
      expression = condition.value
    }
  }
}
