package httpd

import (
	"encoding/json"
	"net/http"
	"strings"

	"golang.org/x/text/language"

	"portillon/hub/fault"
	"portillon/policy"
)

// Problem is the response to a failed request (RFC 9457).
type Problem struct {
	Type     string        `json:"type"` // urn:portillon:problem:…; clients may depend on this value
	Title    string        `json:"title"`
	Status   int           `json:"status"`
	Detail   string        `json:"detail,omitempty"`
	Instance string        `json:"instance"` // id of the request
	Faults   []fault.Field `json:"faults,omitempty"`
}

// ProblemPrefix is the start of every problem's type.
const ProblemPrefix = "urn:portillon:problem:"

// Text is a sentence in French and English.
type Text struct{ FR, EN string }

// In returns the sentence in language l.
func (t Text) In(l policy.Language) string {
	if l == policy.English {
		return t.EN
	}
	return t.FR
}

// NewProblem returns a problem in the language that the request prefers. kind is the end of the problem's type.
func NewProblem(r *http.Request, status int, kind string, detail Text) Problem {
	return problemOf(r, status, kind, detail)
}

// problemOf is a short name for NewProblem.
func problemOf(r *http.Request, status int, kind string, detail Text) Problem {
	l := Language(r)
	return Problem{Type: ProblemPrefix + kind, Title: title(status).In(l), Status: status, Detail: detail.In(l),
		Instance: ID(r.Context())}
}

// Internal returns the problem for an internal error of the hub. The log contains the cause together with the request's
// id.
func Internal(r *http.Request) Problem {
	return problemOf(r, http.StatusInternalServerError, "internal", Text{
		"le hub n’a pas pu répondre : voir son journal système, avec ce numéro de demande",
		"the hub could not answer: see its log for this request id"})
}

// WriteProblem writes a problem as the response.
func WriteProblem(w http.ResponseWriter, r *http.Request, p Problem) {
	b, err := json.Marshal(p)
	if err != nil { // marshalling cannot fail, because every field is a string or a number
		http.Error(w, "internal", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Language", languageCode(Language(r)))
	h.Del("Etag")
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		w.Write(append(b, '\n'))
	}
}

// maxAccept is the maximum length of Accept-Language, in bytes. Language ignores a longer header.
const maxAccept = 256

// Language returns the language for the request: French unless the request prefers English or a third language.
func Language(r *http.Request) policy.Language {
	given := r.Header.Get("Accept-Language")
	if given == "" || len(given) > maxAccept {
		return policy.French
	}
	wanted, _, err := language.ParseAcceptLanguage(given)
	if err != nil {
		return policy.French
	}
	for _, t := range wanted {
		switch base, _ := t.Base(); base.String() {
		case "fr":
			return policy.French
		case "en":
			return policy.English
		}
	}
	return policy.English // choose English, which people who speak neither language more often understand
}

// languageCode returns the language code for the Content-Language header.
func languageCode(l policy.Language) string {
	if l == policy.English {
		return "en"
	}
	return "fr"
}

// title returns the title for a status, in both languages if the hub has a translation.
func title(status int) Text {
	if t, ok := titles()[status]; ok {
		return t
	}
	s := strings.ToLower(http.StatusText(status))
	return Text{s, s}
}

// titles returns the titles of all statuses that the hub sends.
func titles() map[int]Text {
	return map[int]Text{
		http.StatusBadRequest:            {"demande illisible", "bad request"},
		http.StatusUnauthorized:          {"connexion nécessaire", "sign in first"},
		http.StatusForbidden:             {"accès refusé", "access denied"},
		http.StatusNotFound:              {"introuvable", "not found"},
		http.StatusMethodNotAllowed:      {"méthode refusée", "method not allowed"},
		http.StatusNotAcceptable:         {"format non disponible", "format not available"},
		http.StatusConflict:              {"refusé dans cet état", "refused as things stand"},
		http.StatusPreconditionFailed:    {"modifié entre-temps", "changed meanwhile"},
		http.StatusRequestEntityTooLarge: {"demande trop grande", "request too large"},
		http.StatusUnsupportedMediaType:  {"format refusé", "format not accepted"},
		http.StatusMisdirectedRequest:    {"nom inconnu", "unknown host"},
		http.StatusUnprocessableEntity:   {"données refusées", "invalid input"},
		http.StatusPreconditionRequired:  {"version manquante", "version missing"},
		http.StatusTooManyRequests:       {"trop de demandes", "too many requests"},
		http.StatusInternalServerError:   {"erreur du hub", "hub error"},
		http.StatusNotImplemented:        {"non disponible", "not available"},
		http.StatusServiceUnavailable:    {"pas prêt", "not ready"},
	}
}
