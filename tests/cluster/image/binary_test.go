package image

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// binaryFor writes the headers of a binary and nothing else.
func binaryFor(t *testing.T, machine elf.Machine, loader string) string {
	t.Helper()
	header := elf.Header64{
		Type: uint16(elf.ET_DYN), Machine: uint16(machine), Version: uint32(elf.EV_CURRENT),
		Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1, Shentsize: 64,
	}
	copy(header.Ident[:], elf.ELFMAG)
	header.Ident[elf.EI_CLASS], header.Ident[elf.EI_DATA], header.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)
	part := elf.Prog64{Type: uint32(elf.PT_LOAD)}
	if loader != "" {
		part = elf.Prog64{Type: uint32(elf.PT_INTERP), Off: 120, Filesz: uint64(len(loader) + 1)}
	}
	var b bytes.Buffer
	for _, value := range []any{header, part, append([]byte(loader), 0)} {
		if err := binary.Write(&b, binary.LittleEndian, value); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "binary")
	if err := os.WriteFile(path, b.Bytes(), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOnlyABinaryThatRunsAloneIsTaken(t *testing.T) {
	if err := CheckBinary(binaryFor(t, elf.EM_X86_64, ""), "amd64"); err != nil {
		t.Errorf("static: %v", err)
	}
	if err := CheckBinary(binaryFor(t, elf.EM_X86_64, "/lib64/ld-linux-x86-64.so.2"), "amd64"); !errors.Is(err, ErrDynamic) {
		t.Errorf("dynamic: %v", err)
	}
	if err := CheckBinary(binaryFor(t, elf.EM_AARCH64, ""), "amd64"); err == nil || !strings.Contains(err.Error(), "built for EM_AARCH64, the image for amd64") {
		t.Errorf("another architecture: %v", err)
	}
	if err := CheckBinary("/etc/passwd", "amd64"); err == nil || !strings.Contains(err.Error(), "not a Linux binary") {
		t.Errorf("text: %v", err)
	}
}
