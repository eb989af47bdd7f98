package twosms

import "strings"

// canonicalID is a guid in lower case, the one spelling that is compared and sent; "" for what is no guid.
func canonicalID(id string) string {
	const like = "86e51d05-20a3-486c-adf1-a98ca194c74c"
	if len(id) != len(like) {
		return ""
	}
	id = strings.ToLower(id)
	for i := range id {
		if hyphen := like[i] == '-'; hyphen != (id[i] == '-') || !hyphen && !strings.ContainsRune("0123456789abcdef", rune(id[i])) {
			return ""
		}
	}
	return id
}
