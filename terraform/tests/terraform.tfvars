# What the tests beside this file plan and apply with. Nothing of it exists.
project_id      = "sample-rooms"
project_number  = "123456789012"
region          = "europe-west1"
public_base_url = "https://privacy.sample-rooms.example"
website_origins = ["https://sample-rooms.example", "https://www.sample-rooms.example"]
operators       = ["ada@sample-rooms.example", "grace@sample-rooms.example"]
alert_email     = "privacy-desk@sample-rooms.example"
website         = { buckets = ["sample-rooms-uploads"] }
secret_versions = { KEYSET = "3", WEBSITE_KEYS = "1", SENDGRID_API_KEY = "2", STRIPE_API_KEY = "1", META_ACCESS_TOKEN = "1", META_APP_SECRETS = "1", STRIPE_WEBHOOK_SECRETS = "1" }
ga_property     = "123456"
meta_ad_account = "act_1000001"

sendgrid_webhook_public_keys = ["MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g=="]
sendgrid_inbound_public_keys = ["MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g=="]
