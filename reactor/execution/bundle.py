"""Bundle: the user's code, loaded: schema, functions, and the hash that names exactly this code (engine D6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import urandom
from types import ModuleType

from reactor.auth.provider import Provider
from reactor.database.catalog import WHICH_FUNCTIONS
from reactor.definitions import auth_config
from reactor.definitions.function import Function
from reactor.definitions.function_definition import FunctionDefinition
from reactor.definitions.http import HttpRoute, HttpRouter
from reactor.definitions.http_routes import RouteTable
from reactor.definitions.manifest import CronManifest, Manifest
from reactor.definitions.migration import Migration
from reactor.definitions.schema import Schema
from reactor.definitions.wire_schema import Names
from reactor.errors import DefinitionError
from reactor.execution.code_parts import Sources
from reactor.execution.cron_rows import crons_of
from reactor.execution.environment import Noted
from reactor.execution.importer import ProjectImporter
from reactor.execution.installed import installed_packages
from reactor.execution.libraries import libraries_of
from reactor.execution.project import Project
from reactor.execution.registry import FunctionRegistry
from reactor.execution.seal import Seal
from reactor.files.place import FilePlace
from reactor.values.names import wire_name


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """What a loader gives. Two of one project can live side by side; only the newer one's modules can be imported."""

    hash: str  # over schema.py, functions/, every module imported from the project, then or later, and `asked`
    parts: Mapping[str, str]  # of each module of functions/ and of WHICH_FUNCTIONS: its own hash (code_parts.py)
    project: Project
    schema: Schema
    functions: FunctionRegistry
    modules: Mapping[str, ModuleType]  # of functions/, by their names below it
    importer: ProjectImporter
    crons: tuple[CronManifest, ...] = ()
    routes: RouteTable[HttpRoute] | None = None  # of functions/http.py; None when it has no router
    auth: tuple[Provider, ...] = ()  # of functions/auth_config.py
    migrations: Mapping[str, Migration] = field(default_factory=dict)  # by name, in the order in which they are run
    warnings: tuple[str, ...] = ()  # sentences for the developer
    asked: frozenset[str] = frozenset()  # environment variables read while it was imported; ALL_NAMES if listed
    texts: Mapping[str, bytes] = field(default_factory=dict, repr=False)  # path below the root → source as loaded
    libraries: Sequence[str] = ()  # what it imports of others, for the next one
    built_in: Mapping[str, str] = field(default_factory=dict)  # environment variables that this server defines
    files: FilePlace | None = None  # set by the process that loaded it, if functions shall run there
    secret: bytes = field(default_factory=lambda: urandom(32), repr=False)  # shared by all runners forked from here
    seal: Seal = field(default_factory=Seal.random, repr=False)  # of cursors; the deployment's, where there is one

    @property
    def manifest(self) -> Manifest:
        """What may be known of it outside of this process."""
        functions = tuple(definition.manifest for definition in self.functions)
        routes = None if self.routes is None else tuple(route.manifest for route in self.routes.routes)
        migrations = tuple(each.manifest for each in self.migrations.values())
        modules = tuple((name, self.parts[name]) for name in sorted(self.modules))
        return Manifest(functions, self.schema.manifest, routes, self.crons, self.auth, migrations, modules)

    def unload(self) -> None:
        """Take its modules and its importer out of the interpreter. What was loaded keeps working."""
        self.importer.uninstall()


def bundle_of(
    project: Project,
    importer: ProjectImporter,
    schema: Schema,
    modules: Mapping[str, ModuleType],
    names: Names,
    environment: Noted,
) -> Bundle:
    """Collect the functions of modules just imported. Raises DefinitionError."""
    definitions = [
        FunctionDefinition.of(value, module, name, names)
        for module, content in modules.items()
        for name, value in vars(content).items()
        if isinstance(value, Function) and not _belongs_elsewhere(value, content, modules)
    ]
    functions = FunctionRegistry(definitions)
    sources = importer.sources()
    mark = environment.mark if names is wire_name else f"{environment.mark},as written"
    mark = ",".join(filter(None, (mark, project.data_mark)))
    return Bundle(
        hash=sources.hash_of(sources.files, mark),
        parts=_parts(sources, importer, modules, functions, mark),
        project=project,
        schema=schema,
        functions=functions,
        modules=modules,
        importer=importer,
        crons=crons_of(modules, functions),
        auth=auth_config.providers_of(modules.get(auth_config.MODULE)),
        routes=_routes(modules.get("http")),
        migrations=_migrations(modules, schema),
        warnings=tuple(_warnings(modules)),
        asked=frozenset(environment.asked),
        texts=sources.texts,
        libraries=libraries_of(sources),
        built_in=environment.built_in,
    )


def _parts(
    sources: Sources,
    importer: ProjectImporter,
    modules: Mapping[str, ModuleType],
    functions: FunctionRegistry,
    mark: str,
) -> dict[str, str]:
    loaded = importer.loaded_modules()
    paths = {module.__name__: path for path, module in loaded.items()}
    common = sources.needed_by([*sources.acting(loaded), *([paths["schema"]] if "schema" in paths else [])])
    around = f"{mark},{installed_packages()}"
    found = {
        name: sources.hash_of(common | sources.needed_by([paths[module.__name__]]), around)
        for name, module in modules.items()
    }
    listed = "".join(f"{each.python_path} {each.path} {each.kind} {each.visibility}\n" for each in functions)
    return found | {WHICH_FUNCTIONS: sources.hash_of([], listed)}


def _routes(module: ModuleType | None) -> RouteTable[HttpRoute] | None:
    """What functions/http.py routes. DefinitionError when its router cannot be found under its name."""
    content = {} if module is None else vars(module)
    router = content.get("http")
    if isinstance(router, HttpRouter):
        return RouteTable.of(router.routes)
    elsewhere = [name for name, value in content.items() if isinstance(value, HttpRouter)]
    if elsewhere:
        raise DefinitionError(
            f"functions/http.py calls its HttpRouter `{elsewhere[0]}`; call it `http`, or nothing will be routed."
        )
    return None


def _migrations(modules: Mapping[str, ModuleType], schema: Schema) -> dict[str, Migration]:
    """All migrations, module by module in the order in which they are written. DefinitionError for two of one name."""
    found: dict[str, Migration] = {}
    for module in modules.values():
        for each in vars(module).values():
            if not isinstance(each, Migration) or each.__module__ != module.__name__:
                continue
            if found.setdefault(each.__name__, each) is not each:
                raise DefinitionError(f"Two migrations are called `{each.__name__}`. Rename one of them.")
            name = each.table.__definition__.name
            if name is None or schema.find(name) is not each.table.__definition__:
                raise DefinitionError(f"`{each.__name__}`: {each.table.__name__} is no table of schema.py.")
    return found


def _belongs_elsewhere(
    function: Function[..., object], found_in: ModuleType, modules: Mapping[str, ModuleType]
) -> bool:
    """Whether the module only imported the function from the one that defines it."""
    home = modules.get(function.__module__.removeprefix("functions."))
    return home is not None and home is not found_in and vars(home).get(function.__name__) is function


def _warnings(modules: Mapping[str, ModuleType]) -> list[str]:
    empty = [
        name
        for name, content in modules.items()
        if getattr(content, "__doc__", None) is None and not any(not key.startswith("__") for key in vars(content))
    ]
    return [f"functions/{name.replace('.', '/')}.py is empty." for name in empty]
