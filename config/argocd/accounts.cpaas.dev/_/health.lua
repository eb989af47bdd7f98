-- Health of every custom resource of the group, from its conditions: as kstatus reads them for Flux and kubectl wait, and Suspended
-- besides. The tests run it on every row of the condition tables.
local status = obj.status or {}
local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end

-- How the last reconcile ended. Ready would not do: it may be as before.
local last = conditions.Synced or conditions.APIAvailable or {}
local said = "waiting for the operator"
if last.reason ~= nil then
  said = last.reason .. ": " .. (last.message or "")
end

local function is(kind)
  return conditions[kind] ~= nil and conditions[kind].status == "True"
end

local function health(value, message)
  return {status = value, message = message}
end

if obj.metadata.deletionTimestamp ~= nil then
  return health("Progressing", last.reason == "Deleting" and said or "being deleted")
elseif status.observedGeneration ~= obj.metadata.generation then -- -1 until the first reconcile
  return health("Progressing", "waiting for the operator")
elseif last.reason == "Suspended" then
  return health("Suspended", said)
elseif is("Reconciling") then
  return health("Progressing", said)
elseif is("Stalled") then
  return health("Degraded", said)
elseif is("Ready") then
  return health("Healthy", said)
end
return health("Progressing", said)
