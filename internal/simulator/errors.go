package simulator

import (
	_ "embed"
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"
)

//go:embed errors.tsv
var errorTable string

var errorMessages = parseErrorTable(errorTable)

// ErrorMessages returns the documented messages of the Management API by code.
// Placeholders such as %1$s stand in them as they do in the documents.
func ErrorMessages() map[int]string {
	return maps.Clone(errorMessages)
}

func parseErrorTable(table string) map[int]string {
	messages := map[int]string{}
	for line := range strings.Lines(table) {
		code, message, _ := strings.Cut(strings.TrimRight(line, "\r\n"), "\t")
		if n, err := strconv.Atoi(code); err == nil {
			messages[n] = message
		}
	}
	return messages
}

// The codes that the simulator answers with on its own account.
const (
	codeUnauthorized       = 100
	codeInvalidArguments   = 101
	codeMissingCommand     = 102
	codeUnknownCommand     = 103
	codeForbidden          = 104
	codeNameTaken          = 106
	codePlan               = 110
	codeNameLength         = 113
	codeNameCharacters     = 114
	codeAccountID          = 115
	codeMoney              = 127
	codeEmailTaken         = 128
	codeNotActivated       = 131
	codeEmptyParameter     = 134
	codeEmail              = 136
	codeFirstName          = 163
	codeLastName           = 164
	codeParentID           = 177
	codeChildID            = 194
	codeChildName          = 198
	codeChildEmail         = 199
	codeNewChildEmail      = 201
	codeLanguage           = 202
	codeMobilePhone        = 203
	codeBillingCountry     = 204
	codeBillingName        = 205
	codeBillingAddress     = 206
	codeBillingZip         = 207
	codeBillingPhone       = 208
	codeCurrency           = 210
	codeCustomData         = 211
	codePasswordBlocked    = 230
	codeVerificationName   = 324
	codeVerificationStatus = 326
	codeRateLimit          = 340
	codePlanForbidden      = 379
	codeRecordStorage      = 396
	codeDailyLimit         = 397
	codeCallbackURL        = 398
	codeCallbackSalt       = 399
	codePlanType           = 426
	codeTokenFormat        = 447
	codeTokenLifetime      = 454
	codeTokenInFuture      = 455
	codeTokenExpired       = 456
	codeOneOf              = 458
	codeTooLong            = 477
	codePasswordBlank      = 463
	codePasswordRules      = 464
	codeSpecify            = 485
	codeForbiddenParameter = 492
	codeInvalidParameter   = 496
	codeRange              = 497
	codePaymentInProgress  = 516
	codePasswordSpaces     = 524
	codePasswordUsed       = 535
	codeEmailByPassword    = 537
)

// apiError is a business error: HTTP 200 with a code and a message.
type apiError struct {
	Code int    `json:"code"`
	Msg  string `json:"msg"`
}

// fail makes the error of a code; args fill the placeholders of its message.
func fail(code int, args ...any) *apiError {
	return &apiError{Code: code, Msg: fillIn(errorMessages[code], args)}
}

var placeholder = regexp.MustCompile(`\\?'?%(\d+\$)?[sd]\\?'?`)

// fillIn replaces %1$s by the first argument and so on; %s and %d take the arguments in turn.
func fillIn(message string, args []any) string {
	next := 0
	return placeholder.ReplaceAllStringFunc(message, func(found string) string {
		verb := strings.Trim(found, `\'`)
		i := next
		if position, _, ok := strings.Cut(verb[1:], "$"); ok {
			n, _ := strconv.Atoi(position)
			i = n - 1
		} else {
			next++
		}
		if i >= len(args) {
			return found
		}
		value := fmt.Sprint(args[i])
		if strings.Contains(found, "'") {
			return "'" + value + "'"
		}
		return value
	})
}

// errorBody is the answer's JSON: {"error": {...}}, or {"errors": [{...}]} as some clients model it too.
func errorBody(err *apiError, asList bool) map[string]any {
	if asList {
		return map[string]any{"errors": []*apiError{err}}
	}
	return map[string]any{"error": err}
}
