package secrets

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"cpaas.dev/child-account-operator/api/v1alpha1"
	"cpaas.dev/child-account-operator/internal/account"
)

// KeyCredentials is the account's service-account key, as the provider's clients read it.
const KeyCredentials = "credentials.json"

const (
	// longestServiceKeys bounds the record in bytes; a longer one was written by somebody else, and counts as none.
	longestServiceKeys = 4096
	// keptServiceKeys bounds how many former keys wait for their deletion; of more the oldest are deleted at once.
	keptServiceKeys = 8
)

// ServiceKeys is what a connection Secret records of the account's service-account keys. It holds no secret. The record is written before
// a key is made and after, so that a key whose private key was lost on the way is found by its name and deleted.
type ServiceKeys struct {
	// AccountID is the account that the keys are of.
	AccountID string `json:"accountID"`
	// Attempt is the number of the last attempt to make a key.
	Attempt int `json:"attempt"`
	// Pending is the name of a key that may have been made and is not in the Secret; "" where there is none.
	Pending string `json:"pending,omitempty"`
	// Current is the key in the Secret; nil where there is none.
	Current *RecordedKey `json:"current,omitempty"`
	// Retired are the keys that are to be deleted, the oldest first.
	Retired []RecordedKey `json:"retired,omitempty"`
}

// RecordedKey is a key that the operator made, or may have made.
type RecordedKey struct {
	// ID is the provider's; "" for one that may turn up by its Name. The name proves that the operator made the key.
	ID   string `json:"id,omitempty"`
	Name string `json:"name"`
	// Created is when the operator stored the key.
	Created time.Time `json:"created,omitzero"`
	// Roles tells the roles that the key was made with from others, Digest its credentials.
	Roles  string `json:"roles,omitempty"`
	Digest string `json:"digest,omitempty"`
	// Until is when a retired key is deleted.
	Until time.Time `json:"until,omitzero"`
}

// clone is a copy that shares nothing.
func (k ServiceKeys) clone() ServiceKeys {
	if k.Current != nil {
		current := *k.Current
		k.Current = &current
	}
	k.Retired = slices.Clone(k.Retired)
	return k
}

// Empty says whether the record tells of no key, made or not.
func (k ServiceKeys) Empty() bool {
	return k.Pending == "" && k.Current == nil && len(k.Retired) == 0
}

// NextDeletion is when the first retired key is to be deleted; zero where none is retired.
func (k ServiceKeys) NextDeletion() time.Time {
	var first time.Time
	for _, r := range k.Retired {
		if first.IsZero() || r.Until.Before(first) {
			first = r.Until
		}
	}
	return first
}

// retire has a key deleted at a time.
func (k *ServiceKeys) retire(key RecordedKey, until time.Time) {
	key.Until, key.Digest, key.Roles = until.UTC().Truncate(time.Second), "", ""
	k.Retired = append(k.Retired, key)
	for i := range max(0, len(k.Retired)-keptServiceKeys) {
		k.Retired[i].Until = time.Time{}
	}
}

// digestOf tells texts from others without giving anything away that has some length.
func digestOf(parts ...string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", parts))
	return hex.EncodeToString(sum[:8])
}

// RolesMark tells roles from others, in whatever order they are.
func RolesMark(roles []string) string {
	sorted := slices.Sorted(slices.Values(roles))
	return digestOf(slices.Compact(sorted)...)
}

// serviceKeyName is the form of all names of keys: the UID of the resource that a key was made for, and the number of the attempt.
var serviceKeyName = regexp.MustCompile(`^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}-[0-9]{1,6}$`)

// lastAttempt is the greatest number of an attempt: the names of the next ones begin again.
const lastAttempt = 999_999

// canonicalUID is how a UID stands in the names of keys: as it is, where the Kubernetes API made it.
func canonicalUID(uid types.UID) string {
	if serviceKeyName.MatchString(string(uid) + "-1") {
		return string(uid)
	}
	sum := sha256.Sum256([]byte(uid))
	h := hex.EncodeToString(sum[:16])
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

// ServiceKeyName is the name of the key of an attempt for a resource: at most 43 characters.
func ServiceKeyName(uid types.UID, attempt int) string {
	return canonicalUID(uid) + "-" + strconv.Itoa(attempt)
}

// attemptOf is the number of the attempt for a resource that a key's name tells of; false where it tells of none.
func attemptOf(uid types.UID, name string) (int, bool) {
	number, ok := strings.CutPrefix(name, canonicalUID(uid)+"-")
	if !ok || !serviceKeyName.MatchString(name) {
		return 0, false
	}
	n, err := strconv.Atoi(number)
	return n, err == nil
}

// serviceKeysOf is the record of a Secret about an account; the zero value where it has none, or one that nobody can read.
func serviceKeysOf(annotation, accountID string) (ServiceKeys, bool) {
	var k ServiceKeys
	if annotation == "" || len(annotation) > longestServiceKeys || json.Unmarshal([]byte(annotation), &k) != nil || k.AccountID != accountID || k.Attempt < 0 {
		return ServiceKeys{}, false
	}
	return k, true
}

// note writes the record into a Secret, or takes it away where it tells of no key.
func (k ServiceKeys) note(secret *corev1.Secret) error {
	if k.Empty() {
		delete(secret.Annotations, v1alpha1.AnnotationServiceKeys)
		return nil
	}
	text, err := json.Marshal(k)
	if err == nil && len(text) > longestServiceKeys {
		err = fmt.Errorf("the record of the service-account keys has %d bytes", len(text))
	}
	if err != nil {
		return err
	}
	set(&secret.Annotations, v1alpha1.AnnotationServiceKeys, string(text))
	return nil
}

// dropServiceKeys removes what a Secret holds and records of another account's keys: that account is missing at the provider.
func dropServiceKeys(secret *corev1.Secret) {
	delete(secret.Data, KeyCredentials)
	delete(secret.Annotations, v1alpha1.AnnotationServiceKeys)
}

// StoredKeys is what is known of the service-account keys in a connection Secret.
type StoredKeys struct {
	ServiceKeys

	// Recorded is set where there is a record.
	Recorded bool
	// Intact is set where the Secret holds the current key as it was stored.
	Intact bool
}

// LatestKeys is what the Secret as it was last read or written says of the keys of an account; false before it was read.
func (l *Latest) LatestKeys(accountID string) (StoredKeys, bool) {
	if l == nil || l.secret == nil {
		return StoredKeys{}, false
	}
	return storedKeys(l.secret, accountID), true
}

func storedKeys(secret *corev1.Secret, accountID string) StoredKeys {
	held := string(secret.Data[KeyCredentials])
	var out StoredKeys
	out.ServiceKeys, out.Recorded = serviceKeysOf(secret.Annotations[v1alpha1.AnnotationServiceKeys], accountID)
	out.Intact = out.Current != nil && held != "" && out.Current.Digest == digestOf(held)
	return out
}

// StoredKeys says, without a call, what the connection Secret says of the keys of an account. The cache may be behind.
func (w *Watched) StoredKeys(ctx context.Context, c Connection, accountID string) StoredKeys {
	meta := w.metadata(ctx, types.NamespacedName{Namespace: c.Namespace, Name: c.Name})
	if meta == nil {
		return StoredKeys{}
	}
	var out StoredKeys
	out.ServiceKeys, out.Recorded = serviceKeysOf(meta.Annotations[v1alpha1.AnnotationServiceKeys], accountID)
	out.Intact = out.Current != nil && intactFields(meta)[DataField(KeyCredentials)]
	return out
}

// ReadServiceKeys reads what is recorded of the keys of an account, live unless Latest has the Secret. Where the resource had another
// connection Secret that knows of a later attempt, that one's record and key count: name and key were given, taken away and given again.
// ok is false where there is no Secret.
func ReadServiceKeys(ctx context.Context, s Store, c Connection, accountID string) (keys StoredKeys, ok bool, err error) {
	secret, err := s.get(ctx, c)
	if err != nil || secret == nil {
		return StoredKeys{}, false, err
	}
	others, err := named(ctx, s, c)
	if err != nil {
		return StoredKeys{}, false, err
	}
	before := secret.DeepCopy()
	if takeLaterKeys(secret, others, accountID) {
		if _, err := s.patchFrom(ctx, before, secret, c, nil); err != nil {
			return StoredKeys{}, false, err
		}
	}
	return storedKeys(secret, accountID), true, nil
}

// takeLaterKeys has a Secret hold and record what that of the others does which knows of the last attempt.
func takeLaterKeys(secret *corev1.Secret, others []corev1.Secret, accountID string) (took bool) {
	last := storedKeys(secret, accountID)
	for i := range others {
		other := storedKeys(&others[i], accountID)
		if !other.Recorded || last.Recorded && other.Attempt <= last.Attempt {
			continue
		}
		last, took = other, true
		dropServiceKeys(secret)
		if held := others[i].Data[KeyCredentials]; len(held) > 0 {
			if secret.Data == nil {
				secret.Data = map[string][]byte{}
			}
			secret.Data[KeyCredentials] = held
		}
		set(&secret.Annotations, v1alpha1.AnnotationServiceKeys, others[i].Annotations[v1alpha1.AnnotationServiceKeys])
	}
	return took
}

// WriteServiceKeys records the keys of an account in the connection Secret as it was last read, so that a conflict says that somebody else
// wrote since. credentials is what the Secret holds of them from now on: nil leaves that as it is, "" takes it out.
func WriteServiceKeys(ctx context.Context, s Store, c Connection, keys ServiceKeys, credentials *account.Secret) error {
	secret, err := s.get(ctx, c)
	if err != nil {
		return err
	}
	if secret == nil {
		return ErrNoConnectionSecret
	}
	before := secret.DeepCopy()
	if err := keys.note(secret); err != nil {
		return err
	}
	switch {
	case credentials == nil:
	case *credentials == "":
		delete(secret.Data, KeyCredentials)
	default:
		if secret.Data == nil {
			secret.Data = map[string][]byte{}
		}
		secret.Data[KeyCredentials] = []byte(credentials.Reveal())
	}
	_, err = s.patchFrom(ctx, before, secret, c, nil)
	return err
}
