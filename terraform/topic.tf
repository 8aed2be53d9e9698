# Messages hold ids and nothing else, and stay in the region.
resource "google_pubsub_topic" "topic" {
  for_each = local.topics

  name = each.key

  # the least there is: a subscription keeps for itself what it has not delivered
  message_retention_duration = "600s"

  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }

  depends_on = [google_project_service.service]
}
