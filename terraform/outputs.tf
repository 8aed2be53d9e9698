output "addresses" {
  description = "Where each public function answers by itself."
  value       = { for name, entry in local.called : name => "https://${local.hosts[name]}" if entry.kind == "http" }
}

output "service_accounts" {
  description = "Who each function is."
  value       = { for name, account in google_service_account.function : name => account.email }
}

output "secrets" {
  description = "The secrets that need a version, and the number each function gets."
  value       = { for name in local.secrets : name => lookup(var.secret_versions, name, "none yet") }
}

output "keyset_key" {
  description = "KEYSET_KEY: the key that wraps the keyset."
  value       = local.settings.KEYSET_KEY
}

output "evidence_bucket" {
  description = "EVIDENCE_BUCKET: where the checkpoints are kept."
  value       = google_storage_bucket.evidence.name
}

output "database" {
  description = "FIRESTORE_DATABASE: Pledge's own database."
  value       = google_firestore_database.pledge.name
}
