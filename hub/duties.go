package hub

import (
	"portillon/hub/account"
	"portillon/hub/api"
	"portillon/hub/audit"
	"portillon/hub/directory"
	"portillon/hub/web"
)

// pageDirectory returns the directory's services that the pages call.
func pageDirectory(d *directory.Services) web.Directory {
	return web.Directory{
		Members:  d.Members,
		Cards:    d.Cards,
		Taps:     d.Taps,
		Badges:   d.Badges,
		Imports:  d.Imports,
		Sources:  d.Sources,
		Exports:  d.Exports,
		Erasures: d.Erasures,
		Own:      d.Own,
	}
}

// apiDirectory returns the directory's services that the API calls.
func apiDirectory(d *directory.Services) api.Directory {
	return api.Directory{
		Members:  d.Members,
		Cards:    d.Cards,
		Taps:     d.Taps,
		Badges:   d.Badges,
		Imports:  d.Imports,
		Sources:  d.Sources,
		Exports:  d.Exports,
		Erasures: d.Erasures,
	}
}

// pageAccounts returns the services of accounts that the pages call.
func pageAccounts(a *account.Services, log *audit.Log) web.Accounts {
	return web.Accounts{
		Passwords:    a.Passwords,
		Links:        a.Links,
		PrintedCodes: a.PrintedCodes,
		Ownership:    a.Ownership,
		Recovery:     a.Recovery,
		Sessions:     a.Sessions,
		Tokens:       a.Tokens,
		Registry:     a.Registry,
		Audit:        log,
	}
}

// apiAccounts returns the services of accounts that the API calls.
func apiAccounts(a *account.Services, log *audit.Log) api.Accounts {
	return api.Accounts{
		Tokens:       a.Tokens,
		Sessions:     a.Sessions,
		Registry:     a.Registry,
		Recovery:     a.Recovery,
		PrintedCodes: a.PrintedCodes,
		Audit:        log,
	}
}
