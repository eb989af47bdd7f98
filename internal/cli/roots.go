package cli

// An image from scratch has no certificate authorities, and a machine without them should work the same: Mozilla's are in
// the binary, for where the system has none. Those that are mounted, or named by SSL_CERT_FILE, come first.
import _ "golang.org/x/crypto/x509roots/fallback"
