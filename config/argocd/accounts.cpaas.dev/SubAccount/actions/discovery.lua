local suspended = obj.spec.suspend == true
-- Neither a declared password nor that of an account which is only observed is rotated.
local rotates = not suspended and obj.spec.passwordSecretRef == nil and obj.spec.managementPolicy ~= "Observe"
return {
  reconcile = {disabled = suspended, iconClass = "fa fa-fw fa-sync"}, -- a suspended resource is not reconciled
  ["rotate-password"] = {disabled = not rotates, iconClass = "fa fa-fw fa-key"},
  suspend = {disabled = suspended, iconClass = "fa fa-fw fa-pause"},
  resume = {disabled = not suspended, iconClass = "fa fa-fw fa-play"},
}
