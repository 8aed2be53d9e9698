# Everything follows from the map. Whoever adds a function adds it there, and nothing here.

locals {
  map   = yamldecode(file("${path.module}/functions.yaml"))
  given = yamldecode(file("${path.module}/environment.yaml"))

  functions = { for name, entry in local.map : name => merge(entry, { kind = one(keys(entry.trigger)) }) }
  internal  = [for name, entry in local.functions : name if entry.kind != "http"]
  deployed  = { for name, entry in local.functions : name => entry if var.bundle != null }
  called    = { for name, entry in local.deployed : name => entry if entry.kind != "topic" }
  notified  = { for name, entry in local.deployed : name => entry if entry.kind == "topic" }

  queues  = { for name, entry in local.functions : entry.trigger.task.queue => name if entry.kind == "task" }
  topics  = toset([for entry in values(local.functions) : entry.trigger.topic.name if entry.kind == "topic"])
  secrets = toset(flatten([for entry in values(local.functions) : entry.secrets]))
}

locals {
  # A function's address is known before it exists: nothing here waits for another function's output.
  hosts    = { for name in keys(local.functions) : name => "${name}-${var.project_number}.${var.region}.run.app" }
  audience = "https://{function}-${var.project_number}.${var.region}.run.app"

  website_project = coalesce(var.website.project, var.project_id)
}

locals {
  # The value of every setting that the map or environment.yaml can name.
  settings = {
    RUNTIME              = "gcp"
    GOOGLE_CLOUD_PROJECT = var.project_id
    FIRESTORE_DATABASE   = google_firestore_database.pledge.name
    KEYSET_KEY           = "projects/${var.project_id}/locations/${var.region}/keyRings/${google_kms_key_ring.pledge.name}/cryptoKeys/${google_kms_crypto_key.keyset.name}"
    WORK_QUEUE           = "projects/${var.project_id}/locations/${var.region}/queues/${google_cloud_tasks_queue.queue["work"].name}"
    POLICY_TOPIC         = "projects/${var.project_id}/topics/${google_pubsub_topic.topic["policy-published"].name}"
    EVIDENCE_BUCKET      = google_storage_bucket.evidence.name
    OIDC_AUDIENCE        = local.audience
    OIDC_CALLERS         = "" # each its own, see environment
    COMPANY              = "company.yaml"
    WEBSITE_DATA         = "website-data.yaml"
    WEBSITE_PROJECT      = local.website_project
    WEBSITE_DATABASE     = var.website.database
    PUBLIC_BASE_URL      = var.public_base_url
    WEBSITE_ORIGINS      = join(",", var.website_origins)
    OPERATORS            = join(",", var.operators)
    SENDGRID_API_BASE    = var.sendgrid_api_base
    GA_PROPERTY          = var.ga_property
    META_AD_ACCOUNT      = var.meta_ad_account
    STRIPE_API_BASE      = "https://api.stripe.com"
    GA_API_BASE          = "https://analyticsadmin.googleapis.com"
    META_API_BASE        = "https://graph.facebook.com/v26.0"

    SENDGRID_WEBHOOK_PUBLIC_KEY = join(",", var.sendgrid_webhook_public_keys)
    SENDGRID_INBOUND_PUBLIC_KEY = join(",", var.sendgrid_inbound_public_keys)
  }

  named = {
    for name, entry in local.functions : name => toset(concat(
      local.given.every,
      entry.settings,
      entry.kind == "http" ? [] : local.given.internal,
      flatten([for role in entry.roles : lookup(local.given.roles, role, [])]),
      flatten([for secret in entry.secrets : lookup(local.given.secrets, secret, [])]),
    ))
  }

  environment = {
    for name, entry in local.functions : name => merge(
      { for setting in local.named[name] : setting => local.settings[setting] if local.settings[setting] != "" },
      entry.kind == "http" ? {} : { OIDC_CALLERS = google_service_account.caller[entry.kind].email },
    )
  }
}
