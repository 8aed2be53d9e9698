# Made empty. Versions are added by hand, so that no secret is ever in Terraform's state.
resource "google_secret_manager_secret" "secret" {
  for_each = local.secrets

  secret_id       = each.key
  deletion_policy = "PREVENT"

  replication {
    user_managed {
      replicas {
        location = var.region
      }
    }
  }

  depends_on = [google_project_service.service]
}

resource "google_secret_manager_secret_iam_member" "accessor" {
  for_each = merge([
    for name, entry in local.functions : { for secret in entry.secrets : "${name}/${secret}" => { function = name, secret = secret } }
  ]...)

  secret_id = google_secret_manager_secret.secret[each.value.secret].secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.function[each.value.function].member
}
