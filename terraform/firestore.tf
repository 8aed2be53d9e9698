resource "google_firestore_database" "pledge" {
  name        = var.database
  location_id = coalesce(var.firestore_location, var.region)
  type        = "FIRESTORE_NATIVE"

  # seven days, as long as a backup at the most: no copy of what was erased outlives them
  point_in_time_recovery_enablement = "POINT_IN_TIME_RECOVERY_ENABLED"
  delete_protection_state           = "DELETE_PROTECTION_ENABLED"
  deletion_policy                   = "PREVENT"

  depends_on = [google_project_service.service]
}

resource "google_firestore_backup_schedule" "daily" {
  database  = google_firestore_database.pledge.name
  retention = "${var.backup_retention_days * 24 * 60 * 60}s"

  daily_recurrence {}
}

# Indexes are made from the queries that the code declares; the file says which.
locals {
  firestore = yamldecode(file("${path.module}/firestore.yaml"))
  exempt    = { for one in local.firestore.exemptions : "${one.collection}.${one.field}" => one }
  ttl       = { for one in local.firestore.ttl : "${one.collection}.${one.field}" => one }
}

resource "google_firestore_index" "index" {
  for_each = { for index in local.firestore.indexes : "${index.collection}.${join(".", index.fields)}" => index }

  database    = google_firestore_database.pledge.name
  collection  = each.value.collection
  query_scope = "COLLECTION"

  dynamic "fields" {
    for_each = each.value.fields

    content {
      field_path = fields.value
      order      = "ASCENDING"
    }
  }
}

resource "google_firestore_field" "field" {
  for_each = merge(local.exempt, local.ttl)

  database   = google_firestore_database.pledge.name
  collection = each.value.collection
  field      = each.value.field

  # an empty block takes a field out of every single-field index
  dynamic "index_config" {
    for_each = contains(keys(local.exempt), each.key) ? [true] : []
    content {}
  }

  # an empty block makes a record expire at the field's time
  dynamic "ttl_config" {
    for_each = contains(keys(local.ttl), each.key) ? [true] : []
    content {}
  }
}
