package main

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kubefront.io/tests/cluster/image"
)

// imageOptions are the flags of `cluster image` as they are written.
type imageOptions struct {
	name           string
	architecture   string
	binaries       []string
	files          []string
	caCertificates string
	entrypoint     []string
	command        []string
	environment    []string
	labels         []string
	user           string
	libraries      bool
	output         string
}

func imageCommand() *cobra.Command {
	var options imageOptions
	command := &cobra.Command{
		Use:   "image --name NAME --binary PATH[:DESTINATION] -o ARCHIVE.tar",
		Short: "Make an image archive from static binaries, without Docker",
		Long: `Make an image archive from static binaries and files: an OCI image layout that
` + "`docker load`" + ` reads as well. The same files give the same archive, byte for byte;
SOURCE_DATE_EPOCH sets the time it carries.`,
		Example: `  cluster image --name kubefront.local/edge:dev --binary target/release/edge \
    --ca-certificates /etc/ssl/certs/ca-certificates.crt --label org.opencontainers.image.version=dev -o edge.tar`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return makeImage(options) },
	}
	flags := command.Flags()
	flags.StringVar(&options.name, "name", "", "full image name with a tag, like kubefront.local/edge:dev")
	flags.StringArrayVar(&options.binaries, "binary", nil, "static binary and where it goes (default: /its-name); may be repeated")
	flags.StringArrayVar(&options.files, "file", nil, "SOURCE:DESTINATION of a file or directory; may be repeated")
	flags.StringVar(&options.caCertificates, "ca-certificates", "", "PEM file that becomes /etc/ssl/certs/ca-certificates.crt")
	flags.StringArrayVar(&options.entrypoint, "entrypoint", nil, "what is started, a flag for each word (default: the first binary)")
	flags.StringArrayVar(&options.command, "command", nil, "default arguments, a flag for each word")
	flags.StringArrayVar(&options.environment, "env", nil, "NAME=value; may be repeated")
	flags.StringArrayVar(&options.labels, "label", nil, "NAME=value; may be repeated")
	flags.StringVar(&options.user, "user", image.NobodyInParticular, "numeric user and group")
	flags.StringVar(&options.architecture, "architecture", runtime.GOARCH, "amd64 or arm64")
	flags.BoolVar(&options.libraries, "with-libraries", false, "also take the binaries' shared libraries from this machine (for tests only)")
	flags.StringVarP(&options.output, "output", "o", "", "the archive to write")
	for _, required := range []string{"name", "binary", "output"} {
		if err := command.MarkFlagRequired(required); err != nil {
			panic(err)
		}
	}
	return command
}

func makeImage(options imageOptions) error {
	spec, err := options.spec()
	if err != nil {
		return err
	}
	digest, err := image.WriteFile(options.output, spec)
	if err != nil {
		return err
	}
	fmt.Printf("%s@%s\n", spec.Name, digest)
	return nil
}

func (o imageOptions) spec() (image.Spec, error) {
	spec := image.Spec{
		Name: o.name, Architecture: o.architecture, User: o.user,
		Entrypoint: o.entrypoint, Command: o.command, Environment: o.environment,
		Labels: map[string]string{},
	}
	if strings.Trim(o.user, "0123456789:") != "" || o.user == "" {
		return spec, fmt.Errorf("--user %q: give numbers, like %s; Kubernetes cannot tell whether a name is root", o.user, image.NobodyInParticular)
	}
	for _, binary := range o.binaries {
		files, err := o.binaryFiles(binary)
		if err != nil {
			return spec, err
		}
		spec.Files = append(spec.Files, files...)
	}
	if len(spec.Entrypoint) == 0 && len(spec.Files) > 0 {
		spec.Entrypoint = []string{spec.Files[0].Path}
	}
	for _, file := range o.files {
		source, destination, found := strings.Cut(file, ":")
		if !found {
			return spec, fmt.Errorf("--file %q: say where it goes, like %s:/etc/%s", file, file, filepath.Base(file))
		}
		spec.Files = append(spec.Files, image.File{Source: source, Path: destination})
	}
	if o.caCertificates != "" {
		spec.Files = append(spec.Files, image.File{Source: o.caCertificates, Path: "/etc/ssl/certs/ca-certificates.crt"})
	}
	for _, label := range o.labels {
		name, value, found := strings.Cut(label, "=")
		if !found || name == "" {
			return spec, fmt.Errorf("--label %q: write NAME=value", label)
		}
		spec.Labels[name] = value
	}
	for _, variable := range o.environment {
		if name, _, found := strings.Cut(variable, "="); !found || name == "" {
			return spec, fmt.Errorf("--env %q: write NAME=value", variable)
		}
	}
	return spec, o.setCreated(&spec)
}

// binaryFiles is the binary and, if asked for, its libraries. A library that
// two binaries share is listed twice and taken once.
func (o imageOptions) binaryFiles(binary string) ([]image.File, error) {
	source, destination, found := strings.Cut(binary, ":")
	if !found {
		destination = path.Join("/", filepath.Base(source))
	}
	files := []image.File{{Source: source, Path: destination}}
	err := image.CheckBinary(source, o.architecture)
	if !errors.Is(err, image.ErrDynamic) {
		return files, err
	}
	if !o.libraries {
		return nil, &failure{what: err.Error(), next: "build it static (Rust: --target x86_64-unknown-linux-musl, or RUSTFLAGS='-C target-feature=+crt-static' with --target; Go: CGO_ENABLED=0), or for a test give --with-libraries"}
	}
	libraries, err := image.Libraries(source)
	return append(files, libraries...), err
}

// setCreated follows https://reproducible-builds.org/specs/source-date-epoch/.
func (o imageOptions) setCreated(spec *image.Spec) error {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		return nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	spec.Created = time.Unix(seconds, 0)
	return nil
}
