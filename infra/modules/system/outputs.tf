output "consumers" {
  description = "The running parts by consumer, for operators, `make rollback` and the smoke test."
  value = { for name, consumer in module.consumer : name => {
    function_name  = consumer.function_name
    alias          = consumer.alias
    live_version   = consumer.live_version
    newest_version = consumer.newest_version
    mapping_id     = consumer.mapping_id
    output_stream  = local.output_names[name]
    dead_letters   = "s3://${module.failures.name}/${module.failures.dead_letter_prefix}/${name}/"
    ordered        = var.consumers[name].ordered
  } }

  precondition {
    condition     = length(local.unknown_attributes) == 0
    error_message = "No attribute is called ${join(", ", local.unknown_attributes)}: infra/modules/system/README.md names them all."
  }
}

output "input_stream" {
  description = "Stream for the producers' rides."
  value       = module.input.stream.name
}

output "repositories" {
  description = "Repositories of the images: of the consumers (`lean`), of the batch and the web interface (`doors`), and of training (`training`)."
  value       = var.bootstrap.repositories
}

output "doors_image_digest" {
  description = "The deployed full image; null: none."
  value       = var.doors_image_digest
}

output "training_image_digest" {
  description = "The deployed image of training. null: none."
  value       = var.training_image_digest
}

output "training" {
  description = "Training by schedule, for operators: the schedule, the queue of failed jobs, the locations of rides and champion. null: none."
  value = one([for training in module.training : {
    schedule          = training.schedule
    failed_runs_queue = training.failed_runs_queue
    data              = training.data
    champion          = training.champion
  }])
}

output "archive" {
  description = "The archives, for operators: their bucket, delivery streams, the stream of outcomes, and the daily run of each consumer; null: none."
  value = one([for archive in module.archive : {
    bucket           = module.archived[0].name
    delivery_streams = archive.delivery_streams
    outcomes_stream  = one(module.outcomes[*].stream.name)
    log_group        = archive.log_group
    quality          = { for name, quality in module.quality : name => { function_name = quality.function_name, alias = quality.alias, schedule = quality.schedule, results = quality.results } }
  }])
}

output "batch" {
  description = "The batch interface, for operators: its queues, cluster, task definitions, functions and bucket; null: none."
  value = one([for batch in module.batch : {
    input             = batch.input
    queue             = batch.queue
    dead_letter_queue = batch.dead_letter_queue
    failed_runs_queue = batch.failed_runs_queue
    cluster           = batch.cluster
    task_definitions  = batch.task_definitions
    starter           = batch.starter
    interval          = batch.interval
    log_group         = batch.log_group
    notification      = batch.notification
    bucket            = one(module.files[*].name)
  }])
}

output "web" {
  description = "The web interface, for operators and callers: its URL, function, alias and versions, and the policy that a caller needs; null: none."
  value = one([for web in module.web : {
    url              = web.url
    caller_policy    = web.caller_policy
    function_name    = web.function_name
    alias            = web.alias
    live_version     = web.live_version
    newest_version   = web.newest_version
    access_log_group = web.access_log_group
  }])
}

output "monitor" {
  description = "The monitor, for operators: function, alias, mapping, schedule, location of the profiles. null: off."
  value = one([for monitor in module.monitor : {
    function_name = monitor.function_name
    alias         = monitor.alias
    mapping_id    = monitor.mapping_id
    schedule      = monitor.schedule
    profiles      = monitor.profiles
  }])
}

output "image_digest" {
  description = "The deployed image."
  value       = var.image_digest
}

output "model_digests" {
  description = "Digest of the model in each deployed image, by its kind."
  value       = var.model_digests
}

output "release_trigger" {
  description = "The release trigger: the connection with GitHub's token, the repository, and the queue of undelivered promotions. null: off."
  value       = one([for trigger in module.release_trigger : { connection = trigger.connection, repository = trigger.repository, failed_queue = trigger.failed_queue }])
}

output "architecture" {
  description = "Architecture of the image."
  value       = var.architecture
}

output "releases" {
  description = "Parts that do not run only their newest version, by consumer or `web`."
  value       = { for name, release in var.releases : name => release if contains(concat(keys(var.consumers), var.web == null ? [] : ["web"]), name) }
}

output "challengers" {
  description = "The second models of a canary, by consumer."
  value       = { for name, challenger in var.challengers : name => challenger if contains(keys(var.consumers), name) }
}

output "models_uri" {
  description = "Location of models."
  value       = "s3://${var.bootstrap.models_bucket}/models"
}

output "failures_bucket" {
  description = "Location of dead letters and on-failure documents."
  value       = module.failures.name
}

output "composite_alarms" {
  description = "Names of the alarms that a deployment watches."
  value       = concat(module.observability.composite_alarms, flatten([for door in concat(module.batch, module.web, module.release_trigger, module.training, module.archive) : door.composite_alarms]))
}

output "dashboard" {
  description = "Name of the dashboard."
  value       = module.observability.dashboard
}

output "region" {
  description = "Account and region."
  value       = var.account.region
}
