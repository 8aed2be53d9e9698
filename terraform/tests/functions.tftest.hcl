# What each function is given, and how it is called.

mock_provider "google" {
  override_resource {
    target = google_cloudfunctions2_function.function
    values = { service_config = { uri = "https://checkpoints-abcdefghij-ew.a.run.app" } }
  }

  override_resource {
    target = google_cloudfunctions2_function.subscriber
    values = { service_config = { uri = "https://policy-published-abcdefghij-ew.a.run.app" } }
  }
}

variables {
  # any file will do: nothing here looks into it
  bundle = "functions.yaml"
}

run "what_is_deployed" {
  command = apply

  # Every function --------------------------------------------------------------------------------------

  assert {
    condition     = toset(keys(local.running)) == toset(keys(local.map))
    error_message = "Not every function of the map is deployed, or one that is not in it."
  }

  assert {
    condition = alltrue([
      for name, function in local.running :
      function.build_config[0].entry_point == replace(name, "-", "_")
    ])
    error_message = "A function's entry point is not its name."
  }

  assert {
    condition = length(distinct([
      for function in local.running : function.service_config[0].service_account_email
    ])) == length(local.map)
    error_message = "Two functions share a service account."
  }

  assert {
    condition = alltrue([
      for name, function in local.running :
      function.service_config[0].service_account_email == google_service_account.function[name].email
    ])
    error_message = "A function does not run as its own service account."
  }

  assert {
    condition = alltrue([
      for name, function in local.running : alltrue([
        function.service_config[0].available_memory == local.map[name].limits.memory,
        function.service_config[0].timeout_seconds == local.map[name].limits.timeout_seconds,
        function.service_config[0].max_instance_request_concurrency == local.map[name].limits.concurrency,
        function.service_config[0].max_instance_count == local.map[name].limits.max_instances,
      ])
    ])
    error_message = "A function's limits are not those of the map."
  }

  assert {
    condition = alltrue([
      for name, function in local.running :
      toset([for secret in function.service_config[0].secret_environment_variables : secret.key]) == toset(local.map[name].secrets)
    ])
    error_message = "A function has not exactly the secrets of the map."
  }

  assert {
    condition = alltrue(flatten([
      for function in local.running : [
        for secret in function.service_config[0].secret_environment_variables : secret.version == var.secret_versions[secret.key]
      ]
    ]))
    error_message = "A secret is not pinned to the version that was given."
  }

  assert {
    condition = alltrue([
      for name, function in local.running :
      function.service_config[0].environment_variables["RUNTIME"] == "gcp" && length(setsubtract(local.map[name].settings, keys(function.service_config[0].environment_variables))) == 0
    ])
    error_message = "A function lacks a setting of the map."
  }

  assert {
    condition     = toset(keys(google_cloudfunctions2_function.function["policy"].service_config[0].environment_variables)) == toset(concat(local.map["policy"].settings, ["RUNTIME", "GOOGLE_CLOUD_PROJECT", "FIRESTORE_DATABASE", "KEYSET_KEY"]))
    error_message = "A function has more or less in its environment than it names."
  }

  assert {
    condition     = google_cloudfunctions2_function.function["consents"].service_config[0].environment_variables["WORK_QUEUE"] == "projects/sample-rooms/locations/europe-west1/queues/work"
    error_message = "The queue's name is not the full one."
  }

  assert {
    condition     = google_cloudfunctions2_function.function["work"].service_config[0].environment_variables["POLICY_TOPIC"] == "projects/sample-rooms/topics/policy-published"
    error_message = "The topic's name is not the full one."
  }

  assert {
    condition     = google_cloudfunctions2_function.function["site"].service_config[0].environment_variables["KEYSET_KEY"] == "projects/sample-rooms/locations/europe-west1/keyRings/pledge/cryptoKeys/keyset"
    error_message = "The key's name is not the full one."
  }

  assert {
    condition = alltrue([
      for name, function in google_cloudfunctions2_function.function : startswith(function.build_config[0].source[0].storage_source[0].object, "bundle-${filesha256(var.bundle)}")
    ])
    error_message = "The bundle's name does not follow from its content: a new one would not be deployed."
  }

  # Functions that the platform calls -------------------------------------------------------------------

  assert {
    condition = alltrue([
      for name in local.internal :
      local.running[name].service_config[0].ingress_settings == "ALLOW_INTERNAL_ONLY"
    ])
    error_message = "An internal function can be reached from outside."
  }

  assert {
    condition = alltrue([
      for name in local.internal :
      local.running[name].service_config[0].environment_variables["OIDC_CALLERS"] == google_service_account.caller[local.functions[name].kind].email
    ])
    error_message = "An internal function does not know the one account that may call it."
  }

  assert {
    condition     = alltrue([for name, function in google_cloudfunctions2_function.function : contains(keys(function.service_config[0].environment_variables), "OIDC_CALLERS") == contains(local.internal, name)])
    error_message = "A public function names internal callers, or an internal one none."
  }

  assert {
    condition     = alltrue([for name, function in google_cloudfunctions2_function.function : function.service_config[0].environment_variables["OIDC_AUDIENCE"] == "https://{function}-123456789012.europe-west1.run.app" if contains(local.internal, name)])
    error_message = "The audience is not the address that holds the project's number."
  }

  assert {
    condition     = google_cloudfunctions2_function.subscriber["policy-published"].service_config[0].environment_variables["OIDC_AUDIENCE"] == "https://{function}-123456789012.europe-west1.run.app,https://{function}-abcdefghij-ew.a.run.app"
    error_message = "The function behind the topic does not know both of its addresses."
  }

  assert {
    condition     = google_cloudfunctions2_function.subscriber["policy-published"].event_trigger[0].retry_policy == "RETRY_POLICY_RETRY"
    error_message = "A message that failed once would be lost."
  }

  assert {
    condition     = google_cloudfunctions2_function.subscriber["policy-published"].event_trigger[0].service_account_email == google_service_account.caller["topic"].email
    error_message = "Eventarc would call as the project's default account."
  }

  assert {
    condition     = google_cloudfunctions2_function.subscriber["policy-published"].event_trigger[0].pubsub_topic == google_pubsub_topic.topic["policy-published"].id
    error_message = "The function hears on another topic."
  }
}

run "what_calls_it" {
  command = apply

  # The queue -------------------------------------------------------------------------------------------

  assert {
    condition     = google_cloud_tasks_queue.queue["work"].http_target[0].uri_override[0].host == "work-123456789012.europe-west1.run.app"
    error_message = "The queue does not lead to the work function."
  }

  assert {
    condition     = google_cloud_tasks_queue.queue["work"].http_target[0].uri_override[0].uri_override_enforce_mode == "ALWAYS" && google_cloud_tasks_queue.queue["work"].http_target[0].uri_override[0].scheme == "HTTPS"
    error_message = "A task could choose its own address."
  }

  assert {
    condition     = google_cloud_tasks_queue.queue["work"].http_target[0].oidc_token[0].audience == "https://work-123456789012.europe-west1.run.app" && google_cloud_tasks_queue.queue["work"].http_target[0].oidc_token[0].service_account_email == google_service_account.caller["task"].email
    error_message = "The queue's token is not for the work function, or not from the account that may call it."
  }

  assert {
    condition     = google_cloud_tasks_queue.queue["work"].rate_limits[0].max_concurrent_dispatches <= local.map["work"].limits.concurrency * local.map["work"].limits.max_instances
    error_message = "The queue sends more at once than the function takes."
  }

  assert {
    condition     = google_cloud_tasks_queue.queue["work"].retry_config[0].max_attempts > 0 && google_cloud_tasks_queue.queue["work"].retry_config[0].max_retry_duration != "0s"
    error_message = "The queue would try for ever: the work items are the one authority for that."
  }

  # The scheduler ---------------------------------------------------------------------------------------

  assert {
    condition     = { for name, job in google_cloud_scheduler_job.job : name => job.schedule } == { for name, entry in local.map : name => entry.trigger.schedule.cron if can(entry.trigger.schedule) }
    error_message = "Not every cron of the map is a job, or a job has another one."
  }

  assert {
    condition     = alltrue([for job in google_cloud_scheduler_job.job : job.time_zone == "Etc/UTC"])
    error_message = "A job does not run by UTC."
  }

  assert {
    condition = alltrue([
      for name, job in google_cloud_scheduler_job.job : alltrue([
        job.http_target[0].uri == "https://${name}-123456789012.europe-west1.run.app/",
        job.http_target[0].oidc_token[0].audience == "https://${name}-123456789012.europe-west1.run.app",
        job.http_target[0].oidc_token[0].service_account_email == google_service_account.caller["schedule"].email,
      ])
    ])
    error_message = "A job calls another function, or with a token that is not for it."
  }

  assert {
    condition     = alltrue([for name, job in google_cloud_scheduler_job.job : tonumber(trimsuffix(job.attempt_deadline, "s")) > local.map[name].limits.timeout_seconds && tonumber(trimsuffix(job.attempt_deadline, "s")) <= 1800])
    error_message = "A job would be given up before its function is, or later than Cloud Scheduler allows."
  }

  assert {
    condition     = toset(keys(google_monitoring_alert_policy.silence)) == toset([for name, entry in local.map : name if can(regex("^[^ ]+ \\* ", entry.trigger.schedule.cron))])
    error_message = "A job that runs every hour is not watched for silence."
  }
}
