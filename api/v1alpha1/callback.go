package v1alpha1

// DefaultParentCallbackSaltKey is the key of the callback salt in the Secret that a ParentAccount's apiKeySecretRef names: the salt of the parent
// account's own callbacks, and of those of its children that declare none.
const DefaultParentCallbackSaltKey = "callback-salt"
