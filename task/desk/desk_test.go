package desk

import (
	"fmt"
	"testing"
)

func TestShow(t *testing.T) {
	for _, c := range Categories {
		for i := range 3 {
			task, err := Generate(1, Train, c, i, Options{})
			if err != nil {
				t.Fatal(err)
			}
			fmt.Println(task.ID, task.Worlds)
			for _, x := range task.Tools {
				fmt.Print(x.Name, " ")
			}
			fmt.Println()
			for _, u := range task.Turns {
				fmt.Printf("  U %q reveal %v\n", u.User, u.Reveal)
				for _, g := range u.Gold {
					fmt.Printf("    %s %v\n", g.Name, g.Args)
				}
				fmt.Printf("  A %q\n", u.Reply)
			}
		}
	}
}
