# Where it stands -----------------------------------------------------------------------------------------------------

variable "project_id" {
  description = "The project that everything is made in."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id: 6 to 30 small letters, digits and hyphens, beginning with a letter. It is the id, not the name or the number."
  }
}

variable "project_number" {
  description = "The same project's number. The functions' addresses hold it, so that they are known before anything exists."
  type        = string

  validation {
    condition     = can(regex("^[1-9][0-9]{5,19}$", var.project_number))
    error_message = "project_number: digits alone, as `gcloud projects describe` prints it. It is the number, not the id."
  }
}

variable "region" {
  description = "Where functions, queue, topic, keys, secrets and buckets are."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region: one region, as in europe-west1; not a zone, and not a multi-region."
  }
}

variable "firestore_location" {
  description = "Where the database is; the region when absent. It can never be changed."
  type        = string
  default     = null
}

variable "database" {
  description = "The name of the database that is Pledge's own."
  type        = string
  default     = "pledge"

  validation {
    condition     = var.database == "(default)" || can(regex("^[a-z][a-z0-9-]{2,61}[a-z0-9]$", var.database))
    error_message = "database: (default), or 4 to 63 small letters, digits and hyphens, beginning with a letter."
  }

  validation {
    condition     = var.database != var.website.database || coalesce(var.website.project, var.project_id) != var.project_id
    error_message = "database: the website's own data stands in this very database. Pledge needs one of its own, so that a rule of WEBSITE_DATA can never reach its records."
  }
}

# What is deployed ----------------------------------------------------------------------------------------------------

variable "bundle" {
  description = "The file that `pledge bundle` wrote. Without it only the foundations are laid: no function is deployed."
  type        = string
  default     = null

  validation {
    condition     = var.bundle == null ? true : fileexists(var.bundle)
    error_message = "bundle: there is no such file. Make it with `pledge bundle`."
  }
}

variable "runtime" {
  description = "The functions' runtime."
  type        = string
  default     = "python312"

  validation {
    condition     = contains(["python312", "python313", "python314"], var.runtime)
    error_message = "runtime: python312, python313 or python314."
  }
}

variable "secret_versions" {
  description = "For each secret the number of the version that the functions get, as in {KEYSET = \"1\"}."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for version in values(var.secret_versions) : can(regex("^[1-9][0-9]*$", version))])
    error_message = "secret_versions: each is the number of a version. `latest` would change under a running function."
  }

  validation {
    condition     = length(setsubtract(keys(var.secret_versions), local.secrets)) == 0
    error_message = "secret_versions: no function uses ${join(", ", setsubtract(keys(var.secret_versions), local.secrets))}."
  }

  validation {
    condition     = var.bundle == null || length(setsubtract(local.secrets, keys(var.secret_versions))) == 0
    error_message = "secret_versions: say which version of ${join(", ", setsubtract(local.secrets, keys(var.secret_versions)))}."
  }
}

# What the functions are told -----------------------------------------------------------------------------------------

variable "public_base_url" {
  description = "Where people and the website reach the functions: BASE/<function>/…"
  type        = string

  validation {
    condition     = can(regex("^https://[a-z0-9.-]+(/[^/?#]+)*$", var.public_base_url))
    error_message = "public_base_url: https, and no slash at the end."
  }
}

variable "website_origins" {
  description = "The origins whose pages may call the functions from a browser."
  type        = list(string)

  validation {
    condition     = alltrue([for origin in var.website_origins : can(regex("^https://[a-z0-9.-]+(:[0-9]+)?$", origin))])
    error_message = "website_origins: each is https and a host, without a path."
  }
}

variable "operators" {
  description = "The operators by the addresses of their Google accounts."
  type        = list(string)

  validation {
    condition     = length(var.operators) > 0 && alltrue([for address in var.operators : can(regex("^[^,@\\s]+@[^,@\\s]+$", address))])
    error_message = "operators: at least one, and each the address of a Google account."
  }
}

variable "ga_property" {
  description = "The number of the Google Analytics property; empty where COMPANY says that it is not used."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^[0-9]*$", var.ga_property))
    error_message = "ga_property: the property's number, digits alone."
  }
}

variable "meta_ad_account" {
  description = "Meta's ad account, act_ and digits; empty where COMPANY says that neither Facebook nor Instagram is used."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^(act_[0-9]+)?$", var.meta_ad_account))
    error_message = "meta_ad_account: act_ and digits."
  }
}

variable "sendgrid_api_base" {
  description = "SendGrid's address: the global one, or the European Union's."
  type        = string
  default     = "https://api.sendgrid.com"

  validation {
    condition     = contains(["https://api.sendgrid.com", "https://api.eu.sendgrid.com"], var.sendgrid_api_base)
    error_message = "sendgrid_api_base: https://api.sendgrid.com or https://api.eu.sendgrid.com."
  }
}

variable "sendgrid_webhook_public_keys" {
  description = "The public keys of SendGrid's signed event webhook, as it shows them; two while one is changed for another."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for key in var.sendgrid_webhook_public_keys : can(regex("^[A-Za-z0-9+/]{80,}={0,2}$", key))])
    error_message = "sendgrid_webhook_public_keys: each is base64 in one line, without the lines of a PEM file."
  }
}

variable "sendgrid_inbound_public_keys" {
  description = "The public keys of SendGrid's signed Inbound Parse, as it shows them; two while one is changed for another."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for key in var.sendgrid_inbound_public_keys : can(regex("^[A-Za-z0-9+/]{80,}={0,2}$", key))])
    error_message = "sendgrid_inbound_public_keys: each is base64 in one line, without the lines of a PEM file."
  }
}

variable "website" {
  description = "Where the website keeps what WEBSITE_DATA declares: its project (this one when absent), database and buckets."
  type = object({
    project  = optional(string)
    database = optional(string, "(default)")
    buckets  = optional(set(string), [])
  })
  default = {}
}

# How long things stay ------------------------------------------------------------------------------------------------

variable "backup_retention_days" {
  description = "How long a backup of the database is kept."
  type        = number
  default     = 7

  validation {
    condition     = var.backup_retention_days >= 1 && var.backup_retention_days <= 7 && floor(var.backup_retention_days) == var.backup_retention_days
    error_message = "backup_retention_days: 1 to 7. Erasing begins at most 6 days after verification; what is erased must have left every backup before day 14."
  }
}

variable "log_retention_days" {
  description = "How long the project keeps its logs."
  type        = number
  default     = 30

  validation {
    condition     = var.log_retention_days >= 1 && var.log_retention_days <= 3650
    error_message = "log_retention_days: 1 to 3650."
  }
}

variable "evidence_retention_days" {
  description = "How long a checkpoint of the evidence can be neither changed nor deleted."
  type        = number
  default     = 1100

  validation {
    condition     = var.evidence_retention_days >= 1096 && var.evidence_retention_days <= 3650
    error_message = "evidence_retention_days: at least 1096, the three years that evidence is kept, and at most 3650."
  }
}

variable "lock_evidence" {
  description = "Lock that retention. Nobody, Google included, can shorten it or delete the bucket afterwards."
  type        = bool
  default     = false
}

# Who is told ---------------------------------------------------------------------------------------------------------

variable "alert_email" {
  description = "Who gets the alerts. An address of a team: it stands in the state, and in Google's records."
  type        = string

  validation {
    condition     = can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", var.alert_email))
    error_message = "alert_email: an e-mail address."
  }
}
