package apihttp

import (
	"errors"
	"net/url"
	"strings"
)

// Base is an address that requests begin with, without a slash at its end. what names it in errors, shape says what it must be; they don't
// repeat an address, which may hold a password.
func Base(address, what, shape string) (string, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return "", errors.New(what + " must be " + shape)
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", errors.New(what + " must not have a user, query or fragment")
	}
	return u.Scheme + "://" + u.Host + strings.TrimRight(u.EscapedPath(), "/"), nil
}
