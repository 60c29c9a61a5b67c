"""What codegen writes, judged by the real `tsc --strict` with the real client packages."""

from __future__ import annotations

import dataclasses
import random

import pytest

import codegen
from codegen import typescript
from reactor.definitions.manifest import Manifest
from tests.codegen.compiler import Compiler
from tests.codegen.manifests import MANIFEST

GENERATED = "functions/_generated"

EQUALITY = """
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
export function same<A, B>(_proof: Equal<A, B>): void {}
"""

INFERENCE = """
import { usePaginatedQuery, useQuery, useMutation, useAction } from "convex/react";
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { fetchQuery } from "convex/nextjs";
import type { FunctionArgs, FunctionReturnType, NamedTableInfo, VectorIndexNames } from "convex/server";
import { api, internal } from "@/convex/_generated/api";
import type { DataModel, Doc, Id, TableNames } from "@/convex/_generated/dataModel";
import { same } from "./equality";

type Note = {
  _id: Id<"notes">;
  _creationTime: number;
  text: string;
  authorId: Id<"users">;
  title?: string;
  deletedAt: number | null;
  kind: "memo" | "task";
  counts: Record<string, number>;
  place: { x: number; label?: string };
  "content-type": string;
};

export function Component(props: { id: Id<"notes">; author: Id<"users">; show: boolean }) {
  const note = useQuery(api.notes.get, { id: props.id });
  same<typeof note, Doc<"notes"> | null | undefined>(true);
  const skipped = useQuery(api.notes.list, props.show ? {} : "skip");
  same<typeof skipped, Doc<"notes">[] | undefined>(true);
  const noArguments = useQuery(api.a.b);
  same<typeof noArguments, string | undefined>(true);
  const both = useQuery(api.a.b.c, {});
  same<typeof both, number | undefined>(true);

  const add = useMutation(api.notes.add);
  const added = add({ text: "a", authorId: props.author });
  same<typeof added, Promise<Id<"notes">>>(true);
  const optimistic = add.withOptimisticUpdate((store, args) => {
    same<typeof args, { text: string; title?: string; authorId: Id<"users"> }>(true);
    const list = store.getQuery(api.notes.list, { limit: 3 });
    if (list) store.setQuery(api.notes.list, { limit: 3 }, list.slice(1));
  });
  void optimistic({ text: "b", title: "t", authorId: props.author });

  const page = usePaginatedQuery(api.notes.page, {}, { initialNumItems: 20 });
  same<typeof page.results, Doc<"notes">[]>(true);
  page.loadMore(20);
  const cards = usePaginatedQuery(api.notes.pageOf, { authorId: props.author }, { initialNumItems: 5 });
  same<(typeof cards.results)[number], { id: Id<"notes">; short: string }>(true);

  const run = useAction(api.deep.er.module.run);
  void run({ input: [1, "two"] }).then((anything) => anything.whatever);
  return note?.place.label ?? null;
}

export async function outsideReact(author: Id<"users">) {
  const http = new ConvexHttpClient("http://127.0.0.1:3210");
  const notes = await http.query(api.notes.list, {});
  same<typeof notes, Doc<"notes">[]>(true);
  const id = await http.mutation(api.notes.add, { text: "x", authorId: author });
  same<typeof id, Id<"notes">>(true);
  const page = await http.query(api.notes.page, { paginationOpts: { numItems: 5, cursor: null } });
  same<typeof page.page, Doc<"notes">[]>(true);
  same<typeof page.isDone, boolean>(true);
  const fetched = await fetchQuery(api.notes.get, { id });
  same<typeof fetched, Doc<"notes"> | null>(true);
  const live = new ConvexClient("http://127.0.0.1:3210");
  live.onUpdate(api.notes.list, { limit: 1 }, (value) => same<typeof value, Doc<"notes">[]>(true));
  await http.query(api.notes.raw, { anything: "goes" });
}

same<Doc<"notes">, Note>(true);
same<Doc<"users">["pictureId"], Id<"_storage"> | undefined>(true);
same<TableNames, "notes" | "users">(true);
same<DataModel["notes"]["indexes"]["by_author"], ["authorId", "kind", "_creationTime"]>(true);
same<DataModel["notes"]["indexes"]["by_id"], ["_id"]>(true);
same<DataModel["notes"]["searchIndexes"]["search_text"]["filterFields"], "authorId" | "kind">(true);
same<DataModel["notes"]["searchIndexes"]["plain"]["filterFields"], never>(true);
same<DataModel["notes"]["vectorIndexes"]["by_embedding"]["filterFields"], "authorId" | "kind">(true);
same<DataModel["notes"]["vectorIndexes"]["by_embedding"]["dimensions"], 1536>(true);
same<DataModel["notes"]["vectorIndexes"]["by_other"]["vectorField"], "place.vector">(true);
same<DataModel["notes"]["vectorIndexes"]["by_other"]["filterFields"], never>(true);
same<VectorIndexNames<NamedTableInfo<DataModel, "notes">>, "by_embedding" | "by_other">(true);
same<DataModel["users"]["vectorIndexes"], {}>(true);
same<"place.label" extends DataModel["notes"]["fieldPaths"] ? true : false, true>(true);
same<FunctionArgs<typeof api.a.b>, Record<string, never>>(true);
same<FunctionArgs<typeof internal.jobs.clean>, { limit?: number }>(true);
same<FunctionReturnType<typeof internal.jobs.clean>, null>(true);

type Every = FunctionReturnType<typeof api.notes.every>;
same<Every["big"], bigint>(true);
same<Every["bytes"], ArrayBuffer>(true);
same<Every["anything"], any>(true);
same<Every["nothing"], null>(true);
same<Every["flag"], boolean>(true);
same<Every["one"], 1 | 2.5 | true | 7n | 'say "hi"'>(true);
same<Every["few"], { a?: number; b?: number }>(true);
same<Every["byUser"], Record<Id<"users">, (string | null)[]>>(true);
same<Every["never"], never>(true);
same<Every["shape"], { kind: "circle"; r: number } | { kind: "square"; side: bigint }>(true);
same<Every["perhaps"], string | null | undefined>(true);
same<Every["grid"], { at: Record<string, ArrayBuffer[]> }[][]>(true);
export function area(shape: Every["shape"]): number {
  return shape.kind === "circle" ? shape.r : Number(shape.side * 2n);
}
const elsewhere: string = {} as Every["other"];
void elsewhere;
"""

REFUSALS = """
import { usePaginatedQuery, useQuery, useMutation } from "convex/react";
import { ConvexHttpClient } from "convex/browser";
import { api, internal } from "@/convex/_generated/api";
import type { Doc, Id } from "@/convex/_generated/dataModel";

export function Component(props: { note: Id<"notes">; user: Id<"users"> }) {
  // @ts-expect-error: a required argument is missing
  useQuery(api.notes.get, {});
  // @ts-expect-error: no arguments at all
  useQuery(api.notes.get);
  // @ts-expect-error: an id of another table
  useQuery(api.notes.get, { id: props.user });
  // @ts-expect-error: a plain string is no id
  useQuery(api.notes.get, { id: "abc" });
  // @ts-expect-error: an argument nobody declared
  useQuery(api.notes.list, { limt: 3 });
  // @ts-expect-error: the wrong type
  useQuery(api.notes.list, { limit: "3" });
  // @ts-expect-error: a function without arguments takes none
  useQuery(api.a.b, { x: 1 });
  // @ts-expect-error: no such function
  useQuery(api.notes.lst, {});
  // @ts-expect-error: no such module
  useQuery(api.note.list, {});
  // @ts-expect-error: a mutation is no query
  useQuery(api.notes.add, { text: "a", authorId: props.user });
  // @ts-expect-error: a query is no mutation
  useMutation(api.notes.list);
  // @ts-expect-error: internal functions are not among the public ones
  useMutation(api.jobs.clean);
  // @ts-expect-error: and a client cannot use a reference to one
  useMutation(internal.jobs.clean);
  // @ts-expect-error: a query that does not paginate
  usePaginatedQuery(api.notes.list, {}, { initialNumItems: 1 });
  // @ts-expect-error: the page's own arguments are still required
  usePaginatedQuery(api.notes.pageOf, {}, { initialNumItems: 1 });
}

export async function outsideReact(note: Doc<"notes">) {
  const http = new ConvexHttpClient("http://127.0.0.1:3210");
  const every = await http.query(api.notes.every, {});
  // @ts-expect-error: only one of the shapes has it
  every.shape.r;
  // @ts-expect-error: a bigint is no number
  const big: number = every.big;
  // @ts-expect-error: bytes are no string
  const bytes: string = every.bytes;
  // @ts-expect-error: a record may lack a key
  const few: number = every.few.a;
  void [big, bytes, few];
  // @ts-expect-error: an action is called as one
  await http.query(api.deep.er.module.run, { input: 1 });
  // @ts-expect-error: the result may be null
  (await http.query(api.notes.get, { id: note._id })).text;
  // @ts-expect-error: an optional field may be missing
  note.title.length;
  // @ts-expect-error: not one of the literals
  note.kind = "other";
  // @ts-expect-error: no such field
  note.txt;
  // @ts-expect-error: no such table
  const other: Doc<"elsewhere"> = note;
  return other;
}
"""


@pytest.fixture
def files() -> dict[str, str]:
    return {f"{GENERATED}/{name}": text for name, text in typescript.render(MANIFEST).items()}


def test_clients_infer_arguments_and_results_exactly(compiler: Compiler, files: dict[str, str]) -> None:
    compiler.write(files | {"equality.ts": EQUALITY, "app.tsx": INFERENCE})
    assert compiler.errors() == ""


def test_wrong_calls_do_not_compile(compiler: Compiler, files: dict[str, str]) -> None:
    compiler.write(files | {"wrong.tsx": REFUSALS})
    assert compiler.errors() == ""


def test_the_compiler_would_notice(compiler: Compiler, files: dict[str, str]) -> None:
    compiler.write(files | {"equality.ts": EQUALITY, "app.tsx": INFERENCE.replace("title?: string;", "title: string;")})
    assert "app.tsx" in compiler.errors()


def test_without_tables_every_name_is_a_table(compiler: Compiler) -> None:
    manifest = Manifest(functions=MANIFEST.functions[:1])
    compiler.write({f"{GENERATED}/{name}": text for name, text in typescript.render(manifest).items()})
    compiler.write(
        {
            "equality.ts": EQUALITY,
            "app.ts": """
                import type { Doc, Id } from "@/convex/_generated/dataModel";
                import { same } from "./equality";
                same<Doc<"anything">, any>(true);
                const id: Id<"anything"> = "x" as Id<"anything">;
                export { id };
            """,
        }
    )
    assert compiler.errors() == ""


def test_an_empty_project_compiles(compiler: Compiler) -> None:
    compiler.write({f"{GENERATED}/{name}": text for name, text in typescript.render(Manifest()).items()})
    assert compiler.errors() == ""


def test_docstrings_become_comments_above_the_function() -> None:
    api = typescript.render(MANIFEST)["api.d.ts"]
    assert "/** One note. */\n    get: FunctionReference" in api
    assert (
        "    /**\n     * Add a note.\n     *\n     * Its text may say *\\/ or `anything`.\n     *   - indented\n     */\n    add:"
        in api
    )


def test_the_order_of_a_manifest_does_not_show() -> None:
    for seed in range(5):
        shuffled = list(MANIFEST.functions)
        random.Random(seed).shuffle(shuffled)
        again = dataclasses.replace(MANIFEST, functions=tuple(shuffled), tables=MANIFEST.tables[::-1])
        assert typescript.render(again) == typescript.render(MANIFEST)


def test_a_manifest_that_crossed_a_process_border_gives_the_same_files() -> None:
    assert typescript.render(Manifest.from_bytes(MANIFEST.to_bytes())) == typescript.render(MANIFEST)


def test_lines_stay_short_enough_to_read() -> None:
    for text in typescript.render(MANIFEST).values():
        assert max(map(len, text.splitlines())) <= 120


def test_codegen_offers_few_names() -> None:
    assert sorted(codegen.__all__) == [
        "Outputs",
        "function_spec",
        "openapi",
        "python_client",
        "stale",
        "typescript",
        "write",
    ]
