package voximplant

import "cpaas.dev/child-account-operator/internal/account"

// errorRow is what one error code of the Management API means.
type errorRow struct {
	code  int
	class account.Class
	// field is the spec path that the code complains about, "" where it names none.
	field string
	// text stands in for the service's own where that doesn't say what to do. The rules for passwords are those of
	// AddAccount's and SetChildAccountInfo's documents, of which the service's texts name a part each.
	text string
	// outcomeUnknown is set where a write may have been carried out all the same; every other code is a definite refusal.
	outcomeUnknown bool
	// alone is set where it is about the one account or request, so that other calls need not wait.
	alone bool
	// resign is set where the token itself was refused for its times: a new one is signed and the call repeated once.
	resign bool
}

// Codes that other places look at: the rules in evidence.go, CheckPassword, RecoverKey, and classOfParameter for those
// whose text names the parameter.
const (
	codeAuthorizationFailed = 100
	codeForbiddenCommand    = 104
	codeNotActivated        = 131
	codeParameterNotUnique  = 493
	codeParameterInvalid    = 496
)

// errorTable has every documented code that a call of an account method can be answered with.
var errorTable = []errorRow{
	// The service is unwell. It may have failed after the work was done (9: the account stands, its mail was not sent).
	{code: 1, class: account.Unavailable, outcomeUnknown: true},
	{code: 2, class: account.Unavailable, outcomeUnknown: true},
	{code: 4, class: account.Unavailable, outcomeUnknown: true},
	{code: 5, class: account.Unavailable, outcomeUnknown: true},
	{code: 6, class: account.Unavailable, outcomeUnknown: true},
	{code: 9, class: account.Unavailable, outcomeUnknown: true},
	{code: 10, class: account.Unavailable, outcomeUnknown: true},
	{code: 13, class: account.Unavailable, outcomeUnknown: true},
	// A payment is in progress: it may be that of an earlier request of ours.
	{code: 516, class: account.InProgress, outcomeUnknown: true, alone: true},

	// Too many calls.
	{code: 162, class: account.Throttled},
	{code: 340, class: account.Throttled},
	{code: 416, class: account.Throttled}, // its text says for how long
	{code: 512, class: account.Throttled, alone: true},
	// These three say that the same was asked for before: that earlier request may have been carried out.
	{code: 484, class: account.Throttled, outcomeUnknown: true, alone: true},
	{code: 514, class: account.Throttled, outcomeUnknown: true, alone: true},
	{code: 515, class: account.Throttled, outcomeUnknown: true, alone: true},

	// The parent's credentials. 100 and 104 mean something else in places: see evidence.refine.
	{code: codeAuthorizationFailed, class: account.Unauthorized},
	{code: 135, class: account.Unauthorized},
	{code: 137, class: account.Unauthorized},
	{code: 161, class: account.Unauthorized},
	{code: 177, class: account.Unauthorized}, // parent_account_id stands in the credentials
	{code: 447, class: account.Unauthorized},
	{code: 454, class: account.Unauthorized},
	{code: 455, class: account.Unauthorized, resign: true},
	{code: 456, class: account.Unauthorized, resign: true},
	{code: 527, class: account.Unauthorized}, // this address is not allowed; waiting doesn't help
	{code: codeForbiddenCommand, class: account.RoleMissing},

	// Blocked at the provider until somebody does something there.
	{code: 103, class: account.BlockedNotEnabled}, // a documented command that the service does not know for this account
	{code: 379, class: account.BlockedNotEnabled, field: "plans"},
	{code: 127, class: account.BalanceTooLow},
	{code: codeNotActivated, class: account.BlockedVerification},
	{code: 281, class: account.BlockedVerification},
	{code: 282, class: account.BlockedVerification},
	{code: 397, class: account.BlockedDailyLimit},

	// Taken, or not there.
	{code: 106, class: account.NameTaken, field: fieldAccountName},
	{code: 128, class: account.EmailTaken, field: fieldEmail},
	{code: 115, class: account.NotFound},
	{code: 194, class: account.NotFound},
	{code: 198, class: account.NotFound},
	{code: 199, class: account.NotFound},

	// Passwords.
	{code: 112, class: account.PasswordRejected, text: "the password is too short: it must have at least 8 characters"}, // the code's own text says 6
	{code: 463, class: account.PasswordRejected, text: "the password must not be blank: it must have at least 8 characters"},
	{code: 464, class: account.PasswordRejected, text: "the password must have at least 8 characters, among them an upper-case and a lower-case letter, a digit and a special character"},
	{code: 523, class: account.PasswordRejected, text: "the password is too weak: take a longer one, or a random one"},
	{code: 524, class: account.PasswordRejected, text: "the password must not have spaces in it"},
	{code: 535, class: account.PasswordReused, text: "the password must be one that the account has not had before"},
	{code: 230, class: account.PasswordBlocked},

	// Refused for what the request says.
	{code: 101, class: account.Invalid},
	{code: 102, class: account.Invalid},
	{code: 107, class: account.Invalid},
	{code: 110, class: account.Invalid, field: "plans"},
	{code: 113, class: account.Invalid, field: fieldAccountName},
	{code: 114, class: account.Invalid, field: fieldAccountName},
	{code: 134, class: account.Invalid},
	{code: 136, class: account.Invalid, field: fieldEmail},
	{code: 163, class: account.Invalid, field: "profile.firstName"},
	{code: 164, class: account.Invalid, field: "profile.lastName"},
	{code: 173, class: account.Invalid, field: fieldAccountName},
	{code: 196, class: account.Invalid},
	{code: 201, class: account.Invalid, field: fieldEmail},
	{code: 202, class: account.Invalid, field: "languageCode"},
	{code: 203, class: account.Invalid, field: "profile.mobilePhone"},
	{code: 204, class: account.Invalid, field: "profile.billingAddress.countryCode"},
	{code: 205, class: account.Invalid, field: "profile.billingAddress.name"},
	{code: 206, class: account.Invalid, field: "profile.billingAddress.address"},
	{code: 207, class: account.Invalid, field: "profile.billingAddress.zip"},
	{code: 208, class: account.Invalid, field: "profile.billingAddress.phone"},
	{code: 210, class: account.Invalid},
	{code: 211, class: account.Invalid, field: "profile.customData"},
	{code: 324, class: account.Invalid},
	{code: 326, class: account.Invalid},
	{code: 364, class: account.Invalid},
	{code: 396, class: account.Invalid, field: "recordStorage.name"},
	{code: 398, class: account.Invalid, field: "callback.url"},
	{code: 399, class: account.Invalid, field: fieldSalt},
	{code: 426, class: account.Invalid, field: "plans"},
	{code: 458, class: account.Invalid},
	{code: 466, class: account.Invalid, field: "profile.billingAddress"},
	{code: 477, class: account.Invalid},
	{code: 485, class: account.Invalid},
	{code: 492, class: account.Invalid},
	{code: codeParameterNotUnique, class: account.Invalid},
	{code: codeParameterInvalid, class: account.Invalid},
	{code: 497, class: account.Invalid},
	{code: 499, class: account.Invalid},
	{code: 536, class: account.Invalid},
	{code: 537, class: account.Invalid, field: fieldEmail},
	{code: 543, class: account.Invalid, field: "profile.billingAddress"},
}

var errorsByCode = func() map[int]errorRow {
	byCode := make(map[int]errorRow, len(errorTable))
	for _, row := range errorTable {
		byCode[row.code] = row
	}
	return byCode
}()

// rowOf returns the row of a code. A code that nobody knows is a refusal all the same: the service answered properly.
func rowOf(code int) errorRow {
	if row, ok := errorsByCode[code]; ok {
		return row
	}
	return errorRow{code: code, class: account.Unknown}
}
