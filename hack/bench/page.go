package main

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template"
)

//go:embed performance.md.tmpl
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// page is docs/performance.md.
func (r *results) page(picture string) (string, error) {
	data := struct {
		*results
		Kubernetes, Picture                         string
		Hands                                       int
		Times, Creation, Rest, Goals, Peers, Beside string
	}{
		results: r, Picture: picture, Hands: hands,
		Times: r.times(), Creation: r.creation(), Rest: r.everythingElse(), Goals: r.goals(), Peers: r.peers(), Beside: r.beside(),
	}
	if len(r.Fleets) > 0 {
		data.Kubernetes = r.Fleets[0].Kubernetes
	}
	var b strings.Builder
	err := pageTemplate.Execute(&b, data)
	return b.String(), err
}

// line is a line of a table that has a column for each fleet.
type line struct {
	name string
	cell func(fleetResult) string
}

// perFleet is a table with a column for each fleet.
func (r *results) perFleet(lines []line) string {
	header := []string{"accounts"}
	for _, f := range r.Fleets {
		header = append(header, thousands(f.N))
	}
	rows := [][]string{header}
	for _, l := range lines {
		row := []string{l.name}
		for _, f := range r.Fleets {
			row = append(row, l.cell(f))
		}
		rows = append(rows, row)
	}
	return table(rows)
}

// table is a table of Markdown; its first row is the header.
func table(rows [][]string) string {
	var b strings.Builder
	for i, row := range rows {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			fmt.Fprintf(&b, "|%s\n", strings.Repeat("---|", len(row)))
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func (r *results) times() string {
	return r.perFleet([]line{
		{"all Ready after the last apply", often(measured.afterwards)},
		{"after the first", often(measured.last)},
		{"applied within", often(func(m measured) float64 { return m.Applied })},
		{"CPU of the operator", often(func(m measured) float64 { return m.CPU["operator"] })},
		{"CPU of kube-apiserver and etcd", often(func(m measured) float64 { return m.CPU["kube-apiserver"] + m.CPU["etcd"] })},
		{"CPU of all, bench and simulator too", often(measured.allCPU)},
		{"**A backlog**: all Ready after the operator's start", backlogs(measured.last)},
		{"CPU of kube-apiserver", backlogs(func(m measured) float64 { return m.CPU["kube-apiserver"] })},
		{"CPU of the operator", backlogs(func(m measured) float64 { return m.CPU["operator"] })},
		{"memory of the operator at most, whatever happens below", func(f fleetResult) string { return inMB(f.peak()) }},
	})
}

// backlogs is a time or an amount of the backlog.
func backlogs(number func(measured) float64) func(fleetResult) string {
	return func(f fleetResult) string {
		if len(f.Backlogs) == 0 {
			return "-"
		}
		return inSeconds(ofBacklogs(number)(f))
	}
}

// creation is what a created account costs: all calls and requests that there were, by kind.
func (r *results) creation() string {
	lines := []line{{"**API calls**", func(f fleetResult) string { return f.each(allCalls(f.created())) }}}
	for _, method := range r.kinds(func(s spending) []string { return slices.Collect(maps.Keys(s.Calls)) }) {
		lines = append(lines, line{method, func(f fleetResult) string { return f.each(f.created().Calls[method]) }})
	}
	lines = append(lines,
		line{"**requests to the Kubernetes API**", func(f fleetResult) string { return f.each(allRequests(f.created())) }},
		line{"**of them writes**", func(f fleetResult) string { return f.each(writingRequests(f.created())) }})
	for _, kind := range r.kinds(func(s spending) []string { return slices.Collect(maps.Keys(s.Requests)) }) {
		lines = append(lines, line{kind, func(f fleetResult) string { return f.each(f.created().Requests[kind].Count) }})
	}
	return r.perFleet(lines)
}

// kinds are all that occur at a creation in any fleet.
func (r *results) kinds(of func(spending) []string) []string {
	all := map[string]bool{}
	for _, f := range r.Fleets {
		for _, kind := range of(f.created()) {
			all[kind] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

func (r *results) everythingElse() string {
	return r.perFleet([]line{
		{"**A resync at rest**: API calls", of(rest, func(m measured) string { return perResync(m, allCalls(m.spending)) })},
		{"requests to the Kubernetes API", of(rest, func(m measured) string { return perResync(m, allRequests(m.spending)) })},
		{"CPU of the operator", of(rest, func(m measured) string { return inSeconds(m.CPU["operator"] / float64(m.Resyncs)) })},
		{"**A restart**, all unchanged: API calls", of(restart, func(m measured) string { return fmt.Sprint(allCalls(m.spending)) })},
		{"requests to the Kubernetes API", of(restart, func(m measured) string { return fmt.Sprint(allRequests(m.spending)) })},
		{"of them writes", of(restart, func(m measured) string { return fmt.Sprint(writingRequests(m.spending)) })},
		{"CPU of the operator", of(restart, func(m measured) string { return inSeconds(m.CPU["operator"]) })},
		{"**One field of all changed** to the same value: calls that write", of(change, func(m measured) string { return fmt.Sprint(writingCalls(m.spending)) })},
		{"requests to the Kubernetes API for each", func(f fleetResult) string {
			return of(change, func(m measured) string { return f.each(allRequests(m.spending)) })(f)
		}},
		{"of them writes", func(f fleetResult) string {
			return of(change, func(m measured) string { return f.each(writingRequests(m.spending)) })(f)
		}},
		{"changed within", of(change, func(m measured) string { return inSeconds(m.Applied) })},
		{"all Ready after the last change", of(change, func(m measured) string { return inSeconds(m.last() - m.Applied) })},
		{"**A created account with a profile**: API calls", func(f fleetResult) string {
			return of(profiles, func(m measured) string { return f.each(allCalls(m.spending)) })(f)
		}},
		{"writes to the Kubernetes API", func(f fleetResult) string {
			return of(profiles, func(m measured) string { return f.each(writingRequests(m.spending)) })(f)
		}},
		{"**A resync at rest with profiles and verifications**: API calls", of(profilesRest, func(m measured) string { return perResync(m, allCalls(m.spending)) })},
		{"of them for verifications", of(profilesRest, func(m measured) string { return perResync(m, m.Calls[documents]) })},
		{"requests to the Kubernetes API", of(profilesRest, func(m measured) string { return perResync(m, allRequests(m.spending)) })},
		{"calls for money from the operator's start until then", func(f fleetResult) string {
			return of(profilesRest, func(measured) string { return fmt.Sprint(f.moneyCalls()) })(f)
		}},
		{"**A created SubAccount**, many at once, a resync included: API calls", eachSub(subAccounts, allCalls)},
		{"of them lists", eachSub(subAccounts, func(s spending) int { return s.Calls[subListing] })},
		{"requests to the Kubernetes API", eachSub(subAccounts, allRequests)},
		{"of them writes", eachSub(subAccounts, writingRequests)},
		{"**A resync of SubAccounts at rest**: API calls", of(subAccountsRest, func(m measured) string { return perResync(m, allCalls(m.spending)) })},
		{"requests to the Kubernetes API", of(subAccountsRest, func(m measured) string { return perResync(m, allRequests(m.spending)) })},
		{"**A changed SubAccount**: API calls", eachSub(subAccountsChange, allCalls)},
		{"of them writes", eachSub(subAccountsChange, writingCalls)},
		{"writes to the Kubernetes API", eachSub(subAccountsChange, writingRequests)},
		{"**A new account** while the list is read every second: Ready after (median)", of(newcomers, func(m measured) string { return inSeconds(median(m.Ready)) })},
		{"the slowest of " + fmt.Sprint(newcomerCount), of(newcomers, func(m measured) string { return inSeconds(m.last()) })},
	})
}

// goal is a number that is to be reached.
type goal struct {
	what string
	most float64
	unit string
	// fleet is the number of accounts that it is said of; 0: any.
	fleet    int
	scenario string
	got      func(fleetResult) float64
}

var goals = []goal{
	{"API calls per created account", 1.05, "", 0, firstResync, func(f fleetResult) float64 { return float64(allCalls(f.created())) / float64(f.N) }},
	{"writes to the Kubernetes API per created account, but for those of the ParentAccount", 4, "", 0, firstResync, func(f fleetResult) float64 {
		return float64(writingRequests(f.created())-f.created().Requests["patch parentaccounts/status"].Count) / float64(f.N)
	}},
	{"requests to the Kubernetes API per created account", 7, "", 0, firstResync, func(f fleetResult) float64 { return float64(allRequests(f.created())) / float64(f.N) }},
	{"1,000 accounts Ready after the last apply (median)", 8, " s", 1000, creation, func(f fleetResult) float64 { return median(f.times(measured.afterwards)) }},
	{"memory with 10,000 accounts", 200, " MB", 10000, restart, func(f fleetResult) float64 { return float64(f.peak()) / 1e6 }},
	{"changes of one field to the same value: write calls for each hundred", 1, "", 0, change, func(f fleetResult) float64 {
		return float64(writingCalls(f.Scenarios[change].spending)) / float64((f.N+99)/100)
	}},
	{"API calls of a resync at rest for each thousand accounts", 1, "", 0, rest, func(f fleetResult) float64 {
		m := f.Scenarios[rest]
		return float64(allCalls(m.spending)) / float64(m.Resyncs*f.pages())
	}},
	{"writes of a resync at rest, to either side", 0, "", 0, rest, func(f fleetResult) float64 {
		return float64(writingCalls(f.Scenarios[rest].spending) + writingRequests(f.Scenarios[rest].spending))
	}},
	{"API calls per created account with a profile", 2.05, "", 0, profiles, func(f fleetResult) float64 { return f.share(allCalls(f.Scenarios[profiles].spending)) }},
	{"API calls of a resync at rest with profiles and verifications, beside one for each thousand accounts", 1, "", 0, profilesRest, func(f fleetResult) float64 {
		m := f.Scenarios[profilesRest]
		return float64(allCalls(m.spending))/float64(m.Resyncs) - float64(f.pages())
	}},
	{"writes of a resync at rest with profiles and verifications, to either side", 0, "", 0, profilesRest, func(f fleetResult) float64 {
		return float64(writingCalls(f.Scenarios[profilesRest].spending) + writingRequests(f.Scenarios[profilesRest].spending))
	}},
	{"API calls for money in an hour", mostMoneyCalls, "", 0, profilesRest, func(f fleetResult) float64 { return float64(f.moneyCalls()) }},
	{"API calls per created SubAccount", 3, "", 0, subAccounts, func(f fleetResult) float64 {
		return float64(allCalls(f.Scenarios[subAccounts].spending)) / float64(subAccountsOf(f.N))
	}},
	{"API calls of a resync of SubAccounts at rest", 1, "", 0, subAccountsRest, func(f fleetResult) float64 {
		m := f.Scenarios[subAccountsRest]
		return float64(allCalls(m.spending)) / float64(m.Resyncs)
	}},
	{"writes of a resync of SubAccounts at rest, to either side", 0, "", 0, subAccountsRest, func(f fleetResult) float64 {
		m := f.Scenarios[subAccountsRest]
		return float64(writingCalls(m.spending) + writingRequests(m.spending) - m.Requests["patch parentaccounts/status"].Count)
	}},
	{"API calls per changed SubAccount", 2, "", 0, subAccountsChange, func(f fleetResult) float64 {
		return float64(allCalls(f.Scenarios[subAccountsChange].spending)) / float64(subAccountsOf(f.N))
	}},
	{"API calls of a restart beside one for each thousand accounts", 1, "", 0, restart, func(f fleetResult) float64 {
		return float64(allCalls(f.Scenarios[restart].spending) - f.pages())
	}},
	{"writes of a restart, to either side", 0, "", 0, restart, func(f fleetResult) float64 {
		return float64(writingCalls(f.Scenarios[restart].spending) + writingRequests(f.Scenarios[restart].spending))
	}},
}

func (r *results) goals() string {
	rows := [][]string{{"goal", "at most", "measured", "reached"}}
	for _, g := range goals {
		row := []string{g.what, number(g.most) + g.unit, "-", "-"}
		if got, ok := r.worst(g); ok {
			row[2], row[3] = number(got)+g.unit, map[bool]string{true: "yes", false: "**no**"}[got <= g.most]
		}
		rows = append(rows, row)
	}
	return table(rows)
}

// worst is the highest number of the fleets that a goal speaks of; of a scenario that was not tried there is none.
func (r *results) worst(g goal) (got float64, ok bool) {
	for _, f := range r.Fleets {
		_, tried := f.Scenarios[g.scenario]
		if tried && (g.fleet == 0 || g.fleet == f.N) {
			got, ok = max(got, g.got(f)), true
		}
	}
	return got, ok
}

// peers are the numbers of others, as they were given.
var peers = [][]string{
	{"", "accounts", "all Ready after", "API calls each", "requests to the Kubernetes API each", "memory", "at rest"},
	{"Crossplane provider-http, its defaults", "200", "54 s", "3.07", "12.6, on its own kind alone", "81 MB", "a call per account and minute"},
	{"the same, its rate raised to 100", "1,000", "a quarter after 9 min", "5.0", "19, on its own kind alone", "261 MB", "-"},
	{"OpenTofu 1.12 with the restapi provider, ten in flight", "1,000", "9.4 s", "1.0", "none: no Kubernetes", "147 MB", "a plan that finds nothing: 1,000 calls, 8.6 s, 188 MB"},
}

func (r *results) peers() string {
	rows := slices.Clone(peers)
	for _, f := range r.Fleets {
		rows = append(rows, []string{
			"child-account-operator", thousands(f.N), inSeconds(median(f.times(measured.last))) + " after the first apply", f.each(allCalls(f.created())),
			f.each(allRequests(f.created())), inMB(f.peak()), of(rest, func(m measured) string { return perResync(m, allCalls(m.spending)) + " a resync" })(f),
		})
	}
	return table(rows)
}
