# Checkpoints of the evidence: numbers, times and hashes, nothing of a person. So they may outlive everybody's erasure.
resource "google_storage_bucket" "evidence" {
  name     = "${var.project_id}-pledge-evidence"
  location = var.region

  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false
  deletion_policy             = "PREVENT"

  retention_policy {
    retention_period = tostring(var.evidence_retention_days * 24 * 60 * 60)
    is_locked        = var.lock_evidence
  }

  # the retention keeps them; a second net would only keep them longer than said
  soft_delete_policy {
    retention_duration_seconds = 0
  }

  depends_on = [google_project_service.service]
}

resource "google_storage_bucket" "source" {
  name     = "${var.project_id}-pledge-source"
  location = var.region

  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  depends_on = [google_project_service.service]
}

# Its name follows from its content: another bundle is another object, and every function is deployed anew.
resource "google_storage_bucket_object" "bundle" {
  count = var.bundle == null ? 0 : 1

  name   = "bundle-${filesha256(var.bundle)}.zip"
  bucket = google_storage_bucket.source.name
  source = var.bundle
}
