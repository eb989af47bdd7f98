-- Any new value asks for a new password; the present one goes on until the account has it.
local os = require("os")
obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["accounts.cpaas.dev/rotate-password"] = os.date("!%Y-%m-%dT%H:%M:%SZ")
return obj
