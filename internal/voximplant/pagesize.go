package voximplant

import (
	"fmt"
	"slices"
	"sync"

	"cpaas.dev/child-account-operator/internal/account"
)

// pageTooLarge is the error of a page that has more bytes than the client reads: 1,000 accounts with 8,000 characters of custom data, say.
type pageTooLarge struct {
	cause *account.Error
	// whole is how many accounts could be read before the limit.
	whole int
}

// Error implements error.
func (e *pageTooLarge) Error() string { return e.cause.Error() }

// Unwrap has errors.As find the *account.Error.
func (e *pageTooLarge) Unwrap() error { return e.cause }

// pageSizes remembers how the whole list was read last, so that the next one is read in the same pages and no page is requested that is too
// large. It is safe for concurrent use.
type pageSizes struct {
	mu sync.Mutex
	// pages are in the order of the list; none where each page could be as large as pages can be.
	pages []pageRange
}

// pageRange is a page: count accounts from an offset on. The last one of a list may have fewer.
type pageRange struct {
	offset, count int
	// size is how many bytes the page had, 0 where nobody knows.
	size int64
}

func (p pageRange) end() int { return p.offset + p.count }

// begin is what is known to a list that is read now.
func (p *pageSizes) begin(most int64) sizing {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := newSizing(most)
	s.pages.planned = slices.Clone(p.pages)
	return s
}

// keep remembers how a list was read, as far as it was.
func (p *pageSizes) keep(s sizing) {
	pages := s.pages.next()
	if !slices.ContainsFunc(pages, func(r pageRange) bool { return r.count < maxPage }) {
		pages = nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pages = pages
}

// sizing is how many accounts the pages of one list are to have, or of a part of it that begins at base. It is not safe for concurrent use.
type sizing struct {
	pages *pagePlan
	base  int
}

// newSizing is of a list of which nothing is known; most is how many bytes a page may have.
func newSizing(most int64) sizing { return sizing{pages: &pagePlan{most: most, count: maxPage}} }

// after is the sizing of the part of the list that begins n accounts later.
func (s sizing) after(n int) sizing { return sizing{s.pages, s.base + n} }

// at is how many accounts to request at an offset.
func (s sizing) at(offset int) int { return s.pages.at(s.base + offset) }

// tooLarge has a page be smaller: half of what was requested, or, where that is less, what could be read of it with a quarter to spare.
func (s sizing) tooLarge(offset, count, whole int) {
	s.pages.split(pageRange{offset: s.base + offset, count: count}, max(min(count/2, whole-whole/4), 1))
}

// read notes a page that was read.
func (s sizing) read(offset, count int, size int64) {
	s.pages.add(pageRange{offset: s.base + offset, count: count, size: size})
}

// pagePlan is what is known of the pages of a list while it is read.
type pagePlan struct {
	most int64
	// planned are pages that should fit; where two cover an offset the first one counts. done are those that were read.
	planned, done []pageRange
	// count is for offsets that no planned page covers.
	count int
}

func (p *pagePlan) at(offset int) int {
	for _, r := range p.planned {
		if r.offset <= offset && offset < r.end() {
			return r.end() - offset
		}
	}
	return p.count
}

func (p *pagePlan) split(r pageRange, first int) {
	p.count = first
	p.planned = slices.Insert(p.planned, 0, pageRange{offset: r.offset, count: first}, pageRange{offset: r.offset + first, count: r.count - first})
}

// add notes a page that was read. Where nothing is planned the next one may have twice as many accounts if they should fit.
func (p *pagePlan) add(r pageRange) {
	p.done = append(p.done, r)
	if p.count = r.count; p.fits(2 * r.size) {
		p.count = min(2*r.count, maxPage)
	}
}

// fits says whether pages that have had so many bytes together can become one: with a quarter to spare, as accounts differ and grow.
func (p *pagePlan) fits(size int64) bool { return size <= p.most/4*3 }

// next are the pages for the next list: those that were read, and what was planned for after them. Neighbours that fit become one page, so
// that no list has more pages for what was large once.
func (p *pagePlan) next() []pageRange {
	var pages []pageRange
	for _, r := range p.done {
		last := len(pages) - 1
		if last >= 0 && pages[last].end() == r.offset && pages[last].count+r.count <= maxPage && p.fits(pages[last].size+r.size) {
			pages[last].count, pages[last].size = pages[last].count+r.count, pages[last].size+r.size
			continue
		}
		pages = append(pages, r)
	}
	end := 0
	if len(pages) > 0 {
		end = pages[len(pages)-1].end()
	}
	for _, r := range p.planned {
		if r.offset >= end {
			pages = append(pages, r)
		}
	}
	return pages
}

// sizeText is a number of bytes as people say it.
func sizeText(n int64) string {
	if n >= 1<<20 && n%(1<<20) == 0 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d bytes", n)
}
