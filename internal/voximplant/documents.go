package voximplant

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"cpaas.dev/child-account-operator/internal/account"
	"cpaas.dev/child-account-operator/internal/provider"
)

// GetAccountDocumentsParams are the parameters of GetAccountDocuments. The zero value asks for the caller's own verifications.
type GetAccountDocumentsParams struct {
	// All sends child_account_id=all: all child accounts, whatever ChildIDs has.
	All bool
	// ChildIDs sends child_account_id: child accounts by their ids.
	ChildIDs []string
	// ChildrenOnly sends children_verifications_only=true: the caller's own verifications are left out.
	ChildrenOnly bool
	// HoldFrom and HoldTo select verifications by the day until which the service holds unverified subscriptions; zero sends none.
	HoldFrom, HoldTo time.Time
	// Verification selects verifications by name, Statuses by REQUIRED, IN_PROGRESS or VERIFIED; empty sends none.
	Verification string
	Statuses     []string
	// WithDetails asks for the uploaded documents, which the service ignores where all child accounts are asked for.
	WithDetails bool
}

// AccountDocuments are the verifications of an account (AccountVerifications).
type AccountDocuments struct {
	// AccountID is account_id.
	AccountID string
	// Verifications are what the account has to verify, or has verified.
	Verifications []AccountVerification
}

// AccountVerification is one verification of an account (AccountVerificationType).
type AccountVerification struct {
	// Name is verification_name. Status is verification_status: REQUIRED, IN_PROGRESS, VERIFIED or NOT_REQUIRED.
	Name, Status string
	// HoldUntil is unverified_hold_until: the day until which the service holds unverified subscriptions, "" where it has none.
	HoldUntil string
	// Documents are those that were uploaded; nil where the answer has none.
	Documents []AccountDocument
}

// AccountDocument is a document that was uploaded (AccountDocumentType).
type AccountDocument struct {
	// ID is account_document_id. Status is account_document_status: ACCEPTED, REJECTED, IN_PROGRESS or INCOMPLETE_SET.
	ID, Status string
	// Individual is is_individual: whether the document is that of a person.
	Individual bool
	// Comment is the reviewer's, "" where there is none. Uploaded is when the document was uploaded, UTC.
	Comment, Uploaded string
}

// GetAccountDocuments reads verifications, of the parent or of its child accounts, by the method of that name (group Accounts). The
// documents name no roles for it. An account without verifications may be missing from the answer.
func (c *Client) GetAccountDocuments(ctx context.Context, p GetAccountDocumentsParams) ([]AccountDocuments, error) {
	v, err := p.values()
	if err != nil {
		return nil, err
	}
	a, err := c.do(ctx, call{
		method: methodGetAccountDocuments, params: v, issuer: c.config.Credentials.AccountID, optional: true,
		timeout: c.config.ListTimeout, most: c.config.MaxList,
	})
	if err != nil {
		return nil, err
	}
	var accounts []wireDocuments
	if json.Unmarshal(a.Result, &accounts) != nil || accounts == nil {
		return nil, improper(methodGetAccountDocuments, false, "the answer is not a list of verifications by account")
	}
	out := make([]AccountDocuments, 0, len(accounts))
	for _, w := range accounts {
		if !validID(string(w.AccountID)) {
			return nil, improper(methodGetAccountDocuments, false, "the answer has verifications of no account")
		}
		out = append(out, w.documents())
	}
	return out, nil
}

func (p GetAccountDocumentsParams) values() (url.Values, *account.Error) {
	v := url.Values{}
	switch {
	case p.All:
		v.Set("child_account_id", everyone)
	case len(p.ChildIDs) > 0:
		ids, err := joinIDs(methodGetAccountDocuments, p.ChildIDs)
		if err != nil {
			return nil, err
		}
		v.Set("child_account_id", ids)
	}
	if p.ChildrenOnly {
		v.Set("children_verifications_only", "true")
	}
	for name, day := range map[string]time.Time{"from_unverified_hold_until": p.HoldFrom, "to_unverified_hold_until": p.HoldTo} {
		if !day.IsZero() {
			v.Set(name, day.UTC().Format(time.DateOnly))
		}
	}
	if p.Verification != "" {
		v.Set("verification_name", p.Verification)
	}
	if len(p.Statuses) > 0 {
		v.Set("verification_status", strings.Join(p.Statuses, listSeparator))
	}
	if p.WithDetails {
		v.Set("with_details", "true")
	}
	return v, nil
}

// wireDocuments is AccountDocuments as the service writes it.
type wireDocuments struct {
	AccountID     loose              `json:"account_id"`
	Verifications []wireVerification `json:"verifications"`
}

type wireVerification struct {
	Name      loose          `json:"verification_name"`
	Status    loose          `json:"verification_status"`
	HoldUntil loose          `json:"unverified_hold_until"`
	Documents []wireDocument `json:"documents"`
}

type wireDocument struct {
	ID         loose `json:"account_document_id"`
	Individual loose `json:"is_individual"`
	Comment    loose `json:"comment"`
	Uploaded   loose `json:"uploaded"`
	Status     loose `json:"account_document_status"`
}

func (w wireDocuments) documents() AccountDocuments {
	out := AccountDocuments{AccountID: string(w.AccountID)}
	for _, v := range w.Verifications {
		verification := AccountVerification{Name: string(v.Name), Status: string(v.Status), HoldUntil: string(v.HoldUntil)}
		for _, d := range v.Documents {
			verification.Documents = append(verification.Documents, AccountDocument{
				ID: string(d.ID), Status: string(d.Status), Individual: account.CanonicalBool(string(d.Individual)) == "true",
				Comment: string(d.Comment), Uploaded: string(d.Uploaded),
			})
		}
		out.Verifications = append(out.Verifications, verification)
	}
	return out
}

// verifier reads the verifications of all child accounts. It has no state of its own.
type verifier struct{ client *Client }

var _ provider.Verifier = verifier{}

// verificationStates are the statuses that the service documents.
var verificationStates = map[string]account.VerificationState{
	"REQUIRED":     account.VerificationRequired,
	"IN_PROGRESS":  account.VerificationInProgress,
	"VERIFIED":     account.VerificationDone,
	"NOT_REQUIRED": account.VerificationNotRequired,
}

// Verifications implements provider.Verifier by GetAccountDocuments, in one call.
func (r verifier) Verifications(ctx context.Context) (map[string][]account.Verification, error) {
	documents, err := r.client.GetAccountDocuments(ctx, GetAccountDocumentsParams{All: true, ChildrenOnly: true})
	if err != nil {
		return nil, err
	}
	out := make(map[string][]account.Verification, len(documents))
	for _, d := range documents {
		for _, v := range d.Verifications {
			state, known := verificationStates[v.Status]
			if !known {
				state = account.VerificationOther
			}
			out[d.AccountID] = append(out[d.AccountID], account.Verification{Name: v.Name, Status: v.Status, HoldUntil: v.HoldUntil, State: state})
		}
	}
	for id, list := range out {
		out[id] = account.BoundVerifications(list)
	}
	return out, nil
}
