package secrets

import (
	"crypto/rand"
	"math/big"
	"strings"

	"cpaas.dev/child-account-operator/internal/account"
)

// The characters of generated passwords. Special ones are those that survive shells, URLs and lists joined by semicolons.
const (
	lower   = "abcdefghijkmnopqrstuvwxyz"
	upper   = "ABCDEFGHJKLMNPQRSTUVWXYZ"
	digit   = "23456789"
	special = "-_.!*+"
)

// passwordLength gives about 140 bits; the provider wants at least 8 characters.
const passwordLength = 24

// GeneratePassword makes a password with at least one character of each class that a provider may ask for
// (upper case, lower case, digit, special), a letter first: some forms take a leading sign for an option.
func GeneratePassword() account.Secret {
	for {
		out := []byte{pick(lower + upper)}
		for len(out) < passwordLength {
			out = append(out, pick(lower+upper+digit+special))
		}
		if hasEveryClass(string(out)) {
			return account.Secret(out)
		}
	}
}

func hasEveryClass(password string) bool {
	for _, class := range []string{lower, upper, digit, special} {
		if !strings.ContainsAny(password, class) {
			return false
		}
	}
	return true
}

func pick(from string) byte { return from[number(len(from))] }

func number(below int) int {
	n, err := rand.Int(rand.Reader, big.NewInt(int64(below)))
	if err != nil { // crypto/rand does not fail on supported systems
		panic(err)
	}
	return int(n.Int64())
}
