package evaluation

import (
	"os"
	"testing"

	"ballast/chat/jinja"
)

// TestMain lets the tests render the chat templates of models.
func TestMain(m *testing.M) {
	jinja.Main()
	os.Exit(m.Run())
}
