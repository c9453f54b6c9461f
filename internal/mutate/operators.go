package mutate

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// mutant is one generated change of the source between two positions. mutant wraps this source in code that behaves
// differently only while the mutant's switch is on.
type mutant struct {
	file          int
	id            string // function, operator and source text of the mutant; unique in the package
	from, to      token.Pos
	before, after string // texts around the source; number in them is replaced with the switch's number
	inner         int    // order of mutants that wrap the same source: a mutant with a larger value is inside
}

// number is the placeholder for a switch's number in a mutant's text. The placeholder cannot occur in Go source.
const number = "\x00"

// most is the maximum length of the source text in an id, in runes.
const most = 60

// candidates returns every mutant of the package, in the order of the source. The operators are:
//
//	negate      a condition, or a comparison with == or !=
//	never       the condition of an if is false
//	without     an operand of && or || is left out
//	boundary    < becomes <=, > becomes >=, and the reverse
//	drop        a statement other than a declaration is left out
//	zero        a return statement returns zero values
//	literal     true becomes false, and the reverse
//	constant    an integer constant becomes one larger, a duration twice as long
//	no case     a case of a switch is left out
//
// There are no mutants of calls of a log/slog logger, because log lines are not part of the program's behaviour.
func (s *source) candidates() []mutant {
	var all []mutant
	for i, f := range s.files {
		w := &walker{source: s, file: i, imports: s.importNames(f)}
		for _, d := range f.Decls {
			if d, ok := d.(*ast.FuncDecl); ok && d.Body != nil {
				w.fn = functionName(d)
				w.function(d.Type, d.Body)
			}
		}
		all = append(all, w.found...)
	}
	// Append a number to equal ids, so that each id is unique.
	seen := map[string]int{}
	for i := range all {
		id := all[i].id
		if seen[id]++; seen[id] > 1 {
			all[i].id = fmt.Sprintf("%s #%d", id, seen[id])
		}
	}
	return all
}

// functionName returns a function's name, preceded by its receiver's type if it is a method.
func functionName(d *ast.FuncDecl) string {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return d.Name.Name
	}
	e := d.Recv.List[0].Type
	for {
		switch t := e.(type) {
		case *ast.StarExpr:
			e = t.X
		case *ast.IndexExpr:
			e = t.X
		case *ast.IndexListExpr:
			e = t.X
		case *ast.Ident:
			return t.Name + "." + d.Name.Name
		default:
			return d.Name.Name
		}
	}
}

// importNames maps the import paths of a file to the package names that the file uses.
func (s *source) importNames(f *ast.File) map[string]string {
	names := map[string]string{}
	ast.Inspect(f, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			if p, ok := s.info.Uses[id].(*types.PkgName); ok {
				names[p.Imported().Path()] = p.Name()
			}
		}
		return true
	})
	return names
}

// walker collects the mutants of one file.
type walker struct {
	*source
	file    int
	imports map[string]string
	fn      string
	results []string   // result types of the current function, as written
	body    []ast.Stmt // statements of the current function
	within  []ast.Node // path of nodes from the body of the function down to the current node
	found   []mutant
}

// function walks the body of a function. A function literal in the body is treated as part of the body.
func (w *walker) function(t *ast.FuncType, body *ast.BlockStmt) {
	outer := *w
	w.results, w.body, w.within = nil, body.List, nil
	if t.Results != nil {
		for _, r := range t.Results.List {
			for range max(len(r.Names), 1) {
				w.results = append(w.results, w.text(w.file, r.Type.Pos(), r.Type.End()))
			}
		}
	}
	w.walk(body)
	w.results, w.body, w.within = outer.results, outer.body, outer.within
}

// walk visits all nodes below n.
func (w *walker) walk(n ast.Node) {
	ast.Inspect(n, func(n ast.Node) bool {
		if n == nil {
			w.within = w.within[:len(w.within)-1]
			return true
		}
		if !w.visit(n) {
			return false
		}
		w.within = append(w.within, n)
		return true
	})
}

// visit adds the mutants of one node, and reports whether to visit the nodes inside that node.
func (w *walker) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.FuncLit:
		w.function(n.Type, n.Body)
		return false
	case *ast.ArrayType: // skip the length of an array, which must stay a constant
		return false
	case *ast.GenDecl:
		if n.Tok == token.CONST || n.Tok == token.TYPE {
			return false
		}
	case *ast.CompositeLit:
		return w.composite(n)
	case *ast.ExprStmt:
		if w.logs(n.X) {
			return false
		}
	}
	if s, ok := n.(ast.Stmt); ok {
		w.statement(s)
	}
	if e, ok := n.(ast.Expr); ok {
		return w.expression(e)
	}
	return true
}

// composite skips the keys of arrays and slices, which must stay constants.
func (w *walker) composite(n *ast.CompositeLit) bool {
	switch types.Unalias(w.info.TypeOf(n)).Underlying().(type) {
	case *types.Array, *types.Slice:
	default:
		return true
	}
	for _, e := range n.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			e = kv.Value
		}
		w.walk(e)
	}
	return false
}

// logs reports whether e is a call of a log/slog logger.
func (w *walker) logs(e ast.Expr) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	f, ok := w.info.Uses[sel.Sel].(*types.Func)
	return ok && f.Pkg() != nil && f.Pkg().Path() == "log/slog"
}

// statement adds the mutants of one statement.
func (w *walker) statement(s ast.Stmt) {
	switch s := s.(type) {
	case *ast.IfStmt:
		w.add(s.Cond, "negate", 1, "(mutateOn("+number+") != (", "))")
		w.add(s.Cond, "never", 0, "(!mutateOn("+number+") && (", "))")
	case *ast.ForStmt:
		if s.Cond != nil {
			w.add(s.Cond, "negate", 0, "(mutateOn("+number+") != (", "))")
		}
	case *ast.SwitchStmt:
		if s.Tag == nil {
			w.conditionalCases(s)
		} else {
			w.cases(s, s.Body)
		}
	case *ast.TypeSwitchStmt:
		w.cases(s, s.Body)
	case *ast.ReturnStmt:
		w.zero(s)
	}
	if w.inList(s) && w.droppable(s) {
		w.add(s, "drop", 0, "if !mutateOn("+number+") { ", " }")
	}
}

// inList reports whether the statement is in a statement list, where an if statement may replace it.
func (w *walker) inList(s ast.Stmt) bool {
	if len(w.within) == 0 {
		return false
	}
	switch p := w.within[len(w.within)-1].(type) {
	case *ast.BlockStmt:
		return true
	case *ast.CaseClause:
		return slices.Contains(p.Body, s)
	case *ast.CommClause:
		return slices.Contains(p.Body, s)
	}
	return false
}

// droppable reports whether a mutant without the statement differs from the mutants of all other operators.
func (w *walker) droppable(s ast.Stmt) bool {
	switch s := s.(type) {
	case *ast.ExprStmt, *ast.IncDecStmt, *ast.SendStmt, *ast.GoStmt, *ast.DeferStmt, *ast.ForStmt, *ast.RangeStmt:
		return true
	case *ast.AssignStmt:
		return s.Tok != token.DEFINE && !w.blank(s)
	case *ast.BranchStmt:
		return s.Tok == token.BREAK || s.Tok == token.CONTINUE
	case *ast.ReturnStmt:
		if len(w.body) > 0 && w.body[len(w.body)-1] == s {
			return false
		}
		block, ok := w.within[len(w.within)-1].(*ast.BlockStmt)
		return !ok || len(block.List) > 1 // a single statement gives the mutant of never
	}
	return false
}

// blank reports whether an assignment only assigns to the blank identifier.
func (w *walker) blank(s *ast.AssignStmt) bool {
	for _, e := range s.Lhs {
		if id, ok := e.(*ast.Ident); !ok || id.Name != "_" {
			return false
		}
	}
	return true
}

// conditionalCases adds the mutants of the cases of a switch without a tag, because each of these cases is a condition.
func (w *walker) conditionalCases(s *ast.SwitchStmt) {
	for _, c := range s.Body.List {
		for _, e := range c.(*ast.CaseClause).List {
			w.add(e, "negate", 1, "(mutateOn("+number+") != (", "))")
			w.add(e, "no case", 0, "(!mutateOn("+number+") && (", "))")
		}
	}
}

// cases adds a mutant for each case of a switch. The mutant replaces the switch with a copy without that case.
func (w *walker) cases(s ast.Stmt, body *ast.BlockStmt) {
	if !w.inList(s) {
		return
	}
	for _, c := range body.List {
		c := c.(*ast.CaseClause)
		if len(body.List) < 2 || c.List == nil {
			continue
		}
		shorter := w.text(w.file, s.Pos(), c.Pos()) + w.text(w.file, c.End(), s.End())
		w.addText(s, "no case", w.text(w.file, c.Pos(), c.Colon), 0,
			"if mutateOn("+number+") { "+shorter+" } else { ", " }")
	}
}

// zero adds a mutant that returns zero values instead of the values of a return statement, unless all of these are
// zero already.
func (w *walker) zero(s *ast.ReturnStmt) {
	if !slices.ContainsFunc(s.Results, func(e ast.Expr) bool { return !w.isZero(e) }) {
		return
	}
	var zeros []string
	for _, t := range w.results {
		zeros = append(zeros, "*new("+t+")")
	}
	w.add(s, "zero", 1, "if mutateOn("+number+") { return "+strings.Join(zeros, ", ")+" }; ", "")
}

// isZero reports whether an expression is the zero value of its type.
func (w *walker) isZero(e ast.Expr) bool {
	if c, ok := e.(*ast.CompositeLit); ok {
		return len(c.Elts) == 0 && !types.IsInterface(w.info.TypeOf(c))
	}
	tv := w.info.Types[e]
	if tv.IsNil() {
		return true
	}
	if tv.Value == nil {
		return false
	}
	switch tv.Value.Kind() {
	case constant.Bool:
		return !constant.BoolVal(tv.Value)
	case constant.String:
		return constant.StringVal(tv.Value) == ""
	case constant.Int:
		return constant.Sign(tv.Value) == 0
	}
	return false
}

// expression adds the mutants of an expression, and reports whether to visit the parts of the expression. expression
// does not visit the parts of a constant.
func (w *walker) expression(e ast.Expr) bool {
	if tv, ok := w.info.Types[e]; ok && tv.Value != nil && !tv.IsType() {
		w.constant(e, tv)
		return false
	}
	b, ok := e.(*ast.BinaryExpr)
	if !ok {
		return true
	}
	switch b.Op {
	case token.LAND, token.LOR:
		before := "(mutateOn(" + number + ") || ("
		if b.Op == token.LOR {
			before = "(!mutateOn(" + number + ") && ("
		}
		w.add(b.X, "without", 2, before, "))")
		w.add(b.Y, "without", 2, before, "))")
	case token.LSS, token.LEQ, token.GTR, token.GEQ:
		other := map[token.Token]string{token.LSS: " <= ", token.LEQ: " < ", token.GTR: " >= ", token.GEQ: " > "}[b.Op]
		changed := w.text(w.file, b.X.Pos(), b.X.End()) + other + w.text(w.file, b.Y.Pos(), b.Y.End())
		w.add(b, "boundary", 3, "(mutateOn("+number+") && "+changed+" || !mutateOn("+number+") && (", "))")
	case token.EQL, token.NEQ:
		if !w.isCondition(b) {
			w.add(b, "negate", 3, "(mutateOn("+number+") != (", "))")
		}
	}
	return true
}

// isCondition reports whether e is the whole condition of a statement. The mutants of such a statement negate the
// condition already.
func (w *walker) isCondition(e ast.Expr) bool {
	switch p := w.within[len(w.within)-1].(type) {
	case *ast.IfStmt:
		return p.Cond == e
	case *ast.ForStmt:
		return p.Cond == e
	case *ast.CaseClause:
		return slices.Contains(p.List, e)
	}
	return false
}

// constant adds the mutants of a constant: another truth value, a neighbouring number, or an empty text.
func (w *walker) constant(e ast.Expr, tv types.TypeAndValue) {
	basic, ok := tv.Type.Underlying().(*types.Basic)
	if !ok {
		return
	}
	if tv.Value.Kind() == constant.Bool {
		if id, ok := e.(*ast.Ident); ok && id.Name == "true" {
			w.add(e, "literal", 4, "(!mutateOn("+number+") && ", ")")
		} else if ok && id.Name == "false" {
			w.add(e, "literal", 4, "(mutateOn("+number+") || ", ")")
		}
		return
	}
	if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.CHAR || basic.Info()&types.IsInteger == 0 ||
		basic.Info()&types.IsUntyped != 0 {
		return
	}
	known := true
	name := types.TypeString(tv.Type, func(p *types.Package) string {
		if p.Path() == w.path {
			return ""
		}
		known = known && w.imports[p.Path()] != ""
		return w.imports[p.Path()]
	})
	if !known {
		return
	}
	text := w.text(w.file, e.Pos(), e.End())
	changed := "(" + text + ")+1"
	if tv.Type.String() == "time.Duration" && constant.Sign(constant.ToInt(tv.Value)) != 0 {
		changed = "2*(" + text + ")"
	}
	w.add(e, "constant", 4, "mutatePick["+name+"]("+number+", ", ", "+changed+")")
}

// add adds a mutant that wraps a node.
func (w *walker) add(n ast.Node, op string, inner int, before, after string) {
	w.addText(n, op, w.text(w.file, n.Pos(), n.End()), inner, before, after)
}

// addText does the same as add, but uses the given text for the node in the mutant's id.
func (w *walker) addText(n ast.Node, op, text string, inner int, before, after string) {
	id := w.fn + ": " + op + ": " + short(text)
	if _, ok := n.(ast.Expr); ok {
		id += w.context(n)
	}
	w.found = append(w.found, mutant{
		file: w.file, id: id, from: n.Pos(), to: n.End(), before: before, after: after, inner: inner,
	})
}

// context returns the text of the statement around an expression, without the statement's body.
func (w *walker) context(n ast.Node) string {
	for i := len(w.within) - 1; i >= 0; i-- {
		s, ok := w.within[i].(ast.Stmt)
		if !ok {
			continue
		}
		end := s.End()
		switch s := s.(type) {
		case *ast.BlockStmt:
			return ""
		case *ast.IfStmt:
			end = s.Body.Lbrace
		case *ast.ForStmt:
			end = s.Body.Lbrace
		case *ast.RangeStmt:
			end = s.Body.Lbrace
		case *ast.SwitchStmt:
			end = s.Body.Lbrace
		case *ast.CaseClause:
			end = s.Colon
		}
		if text := short(w.text(w.file, s.Pos(), end)); n.End() <= end {
			return " in " + text
		}
	}
	return ""
}

// short returns source text as one line, shortened to at most most runes.
func short(text string) string {
	r := []rune(strings.Join(strings.Fields(text), " "))
	if len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return string(r)
}
