package chat_test

import (
	"os"
	"testing"

	"ballast/chat/jinja"
)

func TestMain(m *testing.M) {
	jinja.Main()
	os.Exit(m.Run())
}
