package crashtest

import "testing"

// A list that was read among other steps makes no difference to the page, and what no other step leaves to do does.
func TestRowsOfListsAmongOtherSteps(t *testing.T) {
	const (
		page  = "### recreate\n| GetChildrenAccounts: all | by name; AddAccount | by name; AddAccount |\n| AddAccount | by name; AddAccount | by id |\n"
		late  = "### recreate\n| GetChildrenAccounts: all | by name; AddAccount | by id, or by name; AddAccount |\n| AddAccount | by name; AddAccount | by id |\n"
		other = "### recreate\n| GetChildrenAccounts: all | by name; AddAccount | by name; AddAccount, or two times AddAccount |\n| AddAccount | by name; AddAccount | by id |\n"
		write = "### recreate\n| GetChildrenAccounts: all | by name; AddAccount | by name; AddAccount |\n| AddAccount | by name; AddAccount | by id, or by name; AddAccount |\n"
	)
	for made, differs := range map[string]bool{page: false, late: false, other: true, write: true} {
		if got := len(difference(page, made))+len(difference(made, page)) > 0; got != differs {
			t.Errorf("differs: %t, of\n%s\nand\n%s", got, page, made)
		}
	}
}
