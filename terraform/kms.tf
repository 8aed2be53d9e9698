resource "google_kms_key_ring" "pledge" {
  name       = "pledge"
  location   = var.region
  depends_on = [google_project_service.service]
}

# Wraps the keyset. Without it nothing that is sealed opens again, so nothing here may destroy it.
resource "google_kms_crypto_key" "keyset" {
  name            = "keyset"
  key_ring        = google_kms_key_ring.pledge.id
  purpose         = "ENCRYPT_DECRYPT"
  deletion_policy = "PREVENT"

  rotation_period            = "7776000s" # 90 days
  destroy_scheduled_duration = "2592000s" # 30 days
}

resource "google_kms_crypto_key_iam_member" "decrypter" {
  for_each = toset([for name, entry in local.functions : name if contains(entry.secrets, "KEYSET")])

  crypto_key_id = google_kms_crypto_key.keyset.id
  role          = "roles/cloudkms.cryptoKeyDecrypter"
  member        = google_service_account.function[each.key].member
}
