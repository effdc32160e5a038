// Verifies a log that `holdfast audit export` wrote, and proofs of single entries, with Go's own transparency log libraries:
// golang.org/x/mod/sumdb/note for signatures, golang.org/x/mod/sumdb/tlog for trees, tiles and proofs. Nothing of Holdfast is used.
//
// It does not replay decisions: that is `holdfast audit verify`. It shows that the entries are those that the log's key and a
// threshold of nodes signed, with tools that none of them wrote.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	tileHeight   = 8
	algLog       = 0x01
	algCosigner  = 0x04
	maxFileBytes = 256 * (2 + 65535)
)

// keys are who must sign: nothing else is trusted.
type keys struct {
	log       []note.Verifier
	cosigners []note.Verifier
	// spans are the tree sizes that a key counts for, by its name and id.
	spans     map[string]span
	threshold int
}

// span is from its first size until before its last; 0 is no bound.
type span struct{ from, until int64 }

func (s span) holds(size int64) bool { return size >= s.from && (s.until == 0 || size < s.until) }

func id(name string, hash uint32) string { return fmt.Sprintf("%s+%08x", name, hash) }

// cosigner verifies C2SP cosignature/v1: an 8 byte time, then Ed25519 over a header, that time and the checkpoint's body.
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (c *cosigner) Name() string    { return c.name }
func (c *cosigner) KeyHash() uint32 { return c.hash }
func (c *cosigner) Verify(body, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	signed := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(sig), body)
	return ed25519.Verify(c.key, []byte(signed), sig[8:])
}

func keyHash(name string, alg byte, key []byte) uint32 {
	sum := sha256.Sum256(append([]byte(name+"\n"+string(alg)), key...))
	return binary.BigEndian.Uint32(sum[:])
}

// vkey is a verifier key string: <name>+<key id>+<base64 of algorithm and key>.
func vkey(name string, alg byte, key []byte) string {
	return fmt.Sprintf("%s+%08x+%s", name, keyHash(name, alg, key), base64.StdEncoding.EncodeToString(append([]byte{alg}, key...)))
}

// add takes `[from <size>] [until <size>] <verifier key>`: a key that replaced another one, or was replaced, counts for some sizes only.
func (k *keys) add(line string) error {
	counts := span{}
	for _, bound := range []struct {
		word string
		size *int64
	}{{"from ", &counts.from}, {"until ", &counts.until}} {
		rest := strings.TrimPrefix(line, bound.word)
		if rest == line {
			continue
		}
		text, key, _ := strings.Cut(rest, " ")
		size, err := strconv.ParseInt(text, 10, 64)
		if err != nil || size < 1 {
			return fmt.Errorf("%q is no size", text)
		}
		*bound.size, line = size, key
	}
	parts := strings.SplitN(line, "+", 3)
	if len(parts) != 3 {
		return fmt.Errorf("%q is no verifier key", line)
	}
	typed, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(typed) != 1+ed25519.PublicKeySize {
		return fmt.Errorf("%q is no Ed25519 verifier key", line)
	}
	if line != vkey(parts[0], typed[0], typed[1:]) {
		return fmt.Errorf("%q: the key id is of another key", line)
	}
	if k.spans == nil {
		k.spans = map[string]span{}
	}
	k.spans[id(parts[0], keyHash(parts[0], typed[0], typed[1:]))] = counts
	switch typed[0] {
	case algLog:
		verifier, err := note.NewVerifier(line)
		if err != nil {
			return err
		}
		k.log = append(k.log, verifier)
	case algCosigner:
		k.cosigners = append(k.cosigners, &cosigner{parts[0], keyHash(parts[0], algCosigner, typed[1:]), typed[1:]})
	default:
		return fmt.Errorf("%q: unknown algorithm %d", line, typed[0])
	}
	return nil
}

// keysOfFile reads what `holdfast audit verify --write-keys` wrote: `threshold <t>`, then a verifier key a line.
func keysOfFile(path string) (*keys, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	k := new(keys)
	for _, line := range strings.Split(strings.TrimRight(string(text), "\n"), "\n") {
		if number := strings.TrimPrefix(line, "threshold "); number != line {
			k.threshold, err = strconv.Atoi(number)
		} else {
			err = k.add(line)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %v", path, err)
		}
	}
	return k, k.check()
}

func (k *keys) check() error {
	if len(k.log) == 0 || k.threshold < 1 || len(k.cosigners) < k.threshold {
		return fmt.Errorf("a log's key, a threshold and at least as many cosigners are needed")
	}
	return nil
}

// keysOfGenesis takes the keys from the log's first entry, whose document must have the pinned hash.
func keysOfGenesis(first []byte, pinned string) (*keys, error) {
	var envelope struct{ Payload []byte }
	if err := json.Unmarshal(first, &envelope); err != nil {
		return nil, fmt.Errorf("entry 0: %v", err)
	}
	if sum := sha256.Sum256(envelope.Payload); hex.EncodeToString(sum[:]) != pinned {
		return nil, fmt.Errorf("entry 0 is not the pinned genesis document")
	}
	var genesis struct {
		Cluster     string
		Threshold   struct{ T int }
		Coordinator struct {
			LogKey string `json:"log_key"`
		}
		Nodes []struct {
			Name         string
			CosigningKey string `json:"cosigning_key"`
		}
	}
	if err := json.Unmarshal(envelope.Payload, &genesis); err != nil {
		return nil, fmt.Errorf("genesis: %v", err)
	}
	k, origin := &keys{threshold: genesis.Threshold.T}, "holdfast/"+genesis.Cluster
	add := func(name string, alg byte, text string) error {
		key, err := hex.DecodeString(text)
		if err != nil {
			return err
		}
		return k.add(vkey(name, alg, key))
	}
	if err := add(origin, algLog, genesis.Coordinator.LogKey); err != nil {
		return nil, err
	}
	for _, node := range genesis.Nodes {
		if err := add(origin+"/"+node.Name, algCosigner, node.CosigningKey); err != nil {
			return nil, err
		}
	}
	return k, k.check()
}

// open verifies a checkpoint: the log's signature, and cosignatures of a threshold of distinct nodes, by keys whose time it is.
func (k *keys) open(text []byte) (tlog.Tree, error) {
	var none tlog.Tree
	opened, err := note.Open(text, note.VerifierList(append(append([]note.Verifier{}, k.log...), k.cosigners...)...))
	if err != nil {
		return none, fmt.Errorf("checkpoint: %v", err)
	}
	tree, err := treeOf(opened.Text, k.log[0].Name())
	if err != nil {
		return none, err
	}
	// By name: two keys of one node are one node.
	signed, cosigned := false, map[string]bool{}
	for _, sig := range opened.Sigs {
		if !k.spans[id(sig.Name, sig.Hash)].holds(tree.N) {
			continue // not its time
		}
		for _, log := range k.log {
			signed = signed || sig.Hash == log.KeyHash() && sig.Name == log.Name()
		}
		for _, node := range k.cosigners {
			if sig.Hash == node.KeyHash() && sig.Name == node.Name() {
				cosigned[sig.Name] = true
			}
		}
	}
	if !signed {
		return none, fmt.Errorf("checkpoint: the log's key has not signed it")
	}
	if len(cosigned) < k.threshold {
		return none, fmt.Errorf("checkpoint: %d nodes cosigned it, %d are needed", len(cosigned), k.threshold)
	}
	return tree, nil
}

func treeOf(body, origin string) (tree tlog.Tree, err error) {
	lines := strings.Split(body, "\n")
	if len(lines) != 4 || lines[0] != origin || lines[3] != "" {
		return tree, fmt.Errorf("checkpoint: %q is not of log %q", body, origin)
	}
	if tree.N, err = strconv.ParseInt(lines[1], 10, 64); err != nil || tree.N < 1 || strconv.FormatInt(tree.N, 10) != lines[1] {
		return tree, fmt.Errorf("checkpoint: %q is no size", lines[1])
	}
	tree.Hash, err = tlog.ParseHash(lines[2])
	return tree, err
}

// export is a directory in the layout of C2SP tlog-tiles.
type export string

func (e export) read(name string) ([]byte, error) {
	path := filepath.Join(string(e), filepath.FromSlash(name))
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFileBytes {
		return nil, fmt.Errorf("%s is no file of an export", name)
	}
	return os.ReadFile(path)
}

func (e export) Height() int                     { return tileHeight }
func (e export) SaveTiles([]tlog.Tile, [][]byte) {}
func (e export) ReadTiles(tiles []tlog.Tile) (all [][]byte, err error) {
	for _, tile := range tiles {
		// Go names a tile's height, C2SP does not.
		data, err := e.read(strings.Replace(tile.Path(), "tile/8/", "tile/", 1))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

func (e export) bundle(index, size int64) ([][]byte, error) {
	width := size - index*256
	if width > 256 {
		width = 256
	}
	// Named like a tile of level 0.
	path := tlog.Tile{H: tileHeight, L: 0, N: index, W: int(width)}.Path()
	data, err := e.read(strings.Replace(path, "tile/8/0/", "tile/entries/", 1))
	if err != nil {
		return nil, err
	}
	var entries [][]byte
	for ; width > 0; width-- {
		if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
			return nil, fmt.Errorf("%s ends too early", path)
		}
		end := 2 + int(binary.BigEndian.Uint16(data))
		entries, data = append(entries, data[2:end]), data[end:]
	}
	if len(data) > 0 {
		return nil, fmt.Errorf("%s has bytes after its last entry", path)
	}
	return entries, nil
}

// verify checks everything that an export's hashes and signatures say.
func (e export) verify(k *keys, against []string) error {
	text, err := e.read("checkpoint")
	if err != nil {
		return err
	}
	tree, err := k.open(text)
	if err != nil {
		return err
	}
	reader := tlog.TileHashReader(tree, e)
	for index := int64(0); index*256 < tree.N; index++ {
		entries, err := e.bundle(index, tree.N)
		if err != nil {
			return err
		}
		if err := checkEntries(reader, tree, index*256, entries); err != nil {
			return err
		}
	}
	fmt.Printf("%d entries are those of the checkpoint: every entry, every tile, an inclusion proof in each bundle\n", tree.N)
	older := against
	if sizes, err := e.read("checkpoints/sizes"); err == nil {
		for _, size := range strings.Fields(string(sizes)) {
			older = append(older, filepath.Join(string(e), "checkpoints", filepath.Base(size)))
		}
	}
	for _, path := range older {
		if err := continues(reader, k, tree, path); err != nil {
			return fmt.Errorf("%s: %v", path, err)
		}
	}
	fmt.Printf("%d earlier checkpoints are continued: a consistency proof for each\n", len(older))
	return nil
}

func checkEntries(reader tlog.HashReader, tree tlog.Tree, first int64, entries [][]byte) error {
	var indexes []int64
	for i := range entries {
		indexes = append(indexes, tlog.StoredHashIndex(0, first+int64(i)))
	}
	hashes, err := reader.ReadHashes(indexes)
	if err != nil {
		return err
	}
	for i, entry := range entries {
		if hashes[i] != tlog.RecordHash(entry) {
			return fmt.Errorf("entry %d is not the one in the tree", first+int64(i))
		}
	}
	proof, err := tlog.ProveRecord(tree.N, first, reader)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, tree.N, tree.Hash, first, tlog.RecordHash(entries[0]))
}

func continues(reader tlog.HashReader, k *keys, tree tlog.Tree, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	// What was kept may have fewer cosignatures than what is exported: the log's own signature binds the log.
	older, err := (&keys{log: k.log, cosigners: k.cosigners, spans: k.spans, threshold: 0}).open(text)
	if err != nil {
		return err
	}
	if older.N > tree.N {
		return fmt.Errorf("it has %d entries, the export only %d", older.N, tree.N)
	}
	proof, err := tlog.ProveTree(tree.N, older.N, reader)
	if err != nil {
		return err
	}
	return tlog.CheckTree(proof, tree.N, tree.Hash, older.N, older.Hash)
}

// checkProof verifies a c2sp.org/tlog-proof@v1 of an entry, for example of a withdrawal's signature.
func checkProof(k *keys, proof, entry []byte) error {
	parts := bytes.SplitN(proof, []byte("\n\n"), 2)
	lines := strings.Split(string(parts[0]), "\n")
	if len(parts) != 2 || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return fmt.Errorf("this is no tlog-proof")
	}
	if strings.HasPrefix(lines[1], "extra ") {
		lines = lines[1:]
	}
	if len(lines) < 2 || !strings.HasPrefix(lines[1], "index ") {
		return fmt.Errorf("the proof has no index")
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	if err != nil {
		return err
	}
	var path tlog.RecordProof
	for _, line := range lines[2:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		path = append(path, hash)
	}
	tree, err := k.open(parts[1])
	if err != nil {
		return err
	}
	if index < 0 || index >= tree.N {
		return fmt.Errorf("entry %d is not in a tree of %d", index, tree.N)
	}
	if err := tlog.CheckRecord(path, tree.N, tree.Hash, index, tlog.RecordHash(entry)); err != nil {
		return err
	}
	fmt.Printf("entry %d is in the log of %d entries\n", index, tree.N)
	return nil
}

type files []string

func (f *files) String() string         { return strings.Join(*f, " ") }
func (f *files) Set(value string) error { *f = append(*f, value); return nil }

func run() error {
	var against files
	directory := flag.String("export", "", "directory that `holdfast audit export` wrote")
	pinned := flag.String("genesis-sha256", "", "SHA-256 of the genesis document: the keys are taken from there")
	keyFile := flag.String("keys", "", "file with the keys in force, if officers replaced keys since")
	proof := flag.String("proof", "", "a tlog-proof to verify")
	entry := flag.String("entry", "", "the entry that it proves")
	flag.Var(&against, "against", "an earlier checkpoint that the export must continue (may be repeated)")
	flag.Parse()
	var k *keys
	var err error
	switch {
	case *keyFile != "":
		k, err = keysOfFile(*keyFile)
	case *pinned != "" && *directory != "":
		var first [][]byte
		if first, err = export(*directory).firstEntry(); err == nil {
			k, err = keysOfGenesis(first[0], *pinned)
		}
	default:
		return fmt.Errorf("-keys, or -genesis-sha256 with -export, says whom to trust")
	}
	if err != nil {
		return err
	}
	if *directory != "" {
		if err := export(*directory).verify(k, against); err != nil {
			return err
		}
	}
	if *proof == "" {
		return nil
	}
	proofText, err := os.ReadFile(*proof)
	if err != nil {
		return err
	}
	entryBytes, err := os.ReadFile(*entry)
	if err != nil {
		return err
	}
	return checkProof(k, proofText, entryBytes)
}

func (e export) firstEntry() ([][]byte, error) {
	text, err := e.read("checkpoint")
	if err != nil {
		return nil, err
	}
	// The size is only believed as far as finding the first file goes.
	lines := strings.SplitN(string(text), "\n", 3)
	if len(lines) != 3 {
		return nil, fmt.Errorf("checkpoint: malformed")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 1 {
		return nil, fmt.Errorf("checkpoint: %q is no size", lines[1])
	}
	return e.bundle(0, size)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "REFUSED:", err)
		os.Exit(1)
	}
	fmt.Println("VERIFIED")
}
