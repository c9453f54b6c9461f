package membersourcetest

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// helloAsso answers a request for a page of items, which the continuation token of the page before names.
func (s *Server) helloAsso(w http.ResponseWriter, r *http.Request) {
	s.used++
	if r.Header.Get("Authorization") != fmt.Sprintf("Bearer access-%d", s.tokens) ||
		s.TokenUses > 0 && s.used > s.TokenUses {
		send(w, 401, `{"message":"token expired"}`)
		return
	}
	from, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Query().Get("continuationToken"), "after-"))
	from = min(from, len(s.People))
	to := min(from+s.size(r, "pageSize"), len(s.People))
	data := []any{}
	for _, p := range s.People[from:to] {
		payer := cmp.Or(p.Payer, &p)
		fields := []any{}
		for name, answer := range p.Answers {
			fields = append(fields, map[string]any{"name": name, "type": "TextInput", "answer": answer})
		}
		data = append(data, map[string]any{"id": p.ID, "type": cmp.Or(p.Type, "Membership"), "name": "Adhésion",
			"state": cmp.Or(p.State, "Processed"), "user": map[string]any{"firstName": p.First, "lastName": p.Last},
			"payer":        map[string]any{"firstName": payer.First, "lastName": payer.Last, "email": payer.Email},
			"order":        map[string]any{"id": p.ID + 1000, "date": "2026-09-01T10:00:00.0000000+02:00"},
			"customFields": fields, "amount": 2000})
	}
	token := fmt.Sprintf("after-%d", to)
	if s.RepeatToken {
		token = "after-2"
	}
	if s.NoToken {
		token = ""
	}
	sendJSON(w, map[string]any{"data": data, "pagination": map[string]any{"pageSize": to - from,
		"totalCount": s.total(len(s.People)), "continuationToken": token}})
}

// fabManager answers a request for a page of one of Fab-manager's lists, the newest entry first.
func (s *Server) fabManager(w http.ResponseWriter, r *http.Request, name string) {
	if r.Header.Get("Authorization") != "Token token="+Secret {
		send(w, 401, `{"errors":["Unauthorized"]}`)
		return
	}
	all := []any{}
	for i := len(s.People) - 1; i >= 0; i-- {
		p := s.People[i]
		switch name {
		case "users":
			all = append(all, map[string]any{"id": p.ID, "email": p.Email, "first_name": p.First, "last_name": p.Last,
				"full_name": p.First + " " + p.Last, "external_id": nil})
		case "subscriptions":
			if p.Until != "" {
				canceled := any(nil)
				if p.Canceled != "" {
					canceled = p.Canceled
				}
				all = append(all, map[string]any{"id": p.ID + 500, "user_id": p.ID, "expiration_date": p.Until,
					"canceled_at": canceled})
			}
		case "user_trainings":
			for j, t := range p.Trainings {
				all = append(all, map[string]any{"id": p.ID*10 + int64(j), "user_id": p.ID,
					"training": map[string]any{"name": t}})
			}
		default:
			send(w, 404, `{"errors":["not found"]}`)
			return
		}
	}
	page, _ := strconv.Atoi(r.URL.Query().Get("page"))
	size := s.size(r, "per_page")
	from := min(max(page-1, 0)*size, len(all))
	if total := s.total(len(all)); total >= 0 {
		w.Header().Set("Total", strconv.Itoa(total))
	}
	sendJSON(w, map[string]any{name: all[from:min(from+size, len(all))]})
}

// memberMatters answers a request for all members.
func (s *Server) memberMatters(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Api-Key "+Secret {
		send(w, 403, `{"detail":"Authentication credentials were not provided."}`)
		return
	}
	all := []any{}
	for _, p := range s.People {
		all = append(all, map[string]any{"id": p.ID, "email": p.Email, "rfid": p.Card,
			"name":  map[string]any{"first": p.First, "last": p.Last, "full": p.First + " " + p.Last},
			"state": cmp.Or(p.State, "active"), "lastInduction": "03/04/2026, 18:05:00", "subscriptionStatus": "active"})
	}
	sendJSON(w, all)
}
