# As much of nixpkgs' evalModules as the module asks for: imports, conditions, values that are checked, keys without an
# option where a submodule allows them. There are no priorities: of two single values the later counts.
lib:
{
  modules,
  specialArgs ? { },
}:

let
  inherit (builtins)
    attrNames
    catAttrs
    concatMap
    filter
    isAttrs
    isFunction
    isList
    isPath
    mapAttrs
    ;

  args = specialArgs // {
    inherit lib options;
    config = values options;
  };
  open =
    module:
    if isPath module then
      open (import module)
    else if isFunction module then
      open (module args)
    else
      concatMap open (module.imports or [ ]) ++ [ module ];
  loaded = concatMap open modules;

  declared = lib.foldl' lib.recursiveUpdate { } (catAttrs "options" loaded);
  defined =
    module:
    module.config or (removeAttrs module [
      "imports"
      "options"
    ]);
  options = section false [ ] declared (map defined loaded);

  isOption = option: option._type or null == "option";
  isIf = definition: definition._type or null == "if";
  settle =
    definition:
    if isIf definition then
      lib.optionals definition.condition (settle definition.content)
    else
      [ definition ];
  # Whether a name is there must not depend on a condition, which may depend on the configuration.
  pushDown =
    definition:
    if isIf definition then
      mapAttrs (_: lib.mkIf definition.condition) (pushDown definition.content)
    else
      definition;

  # With isFree names without an option are taken too.
  section =
    isFree: path: declared: definitions:
    let
      given = map pushDown definitions;
      unknown = filter (name: !declared ? ${name}) (concatMap attrNames given);
      free =
        name:
        if lib.any isAttrs (concatMap settle (catAttrs name given)) then
          { }
        else
          lib.mkOption {
            type = lib.types.raw;
            default = null;
          };
      inner =
        name: option:
        (if isOption option then leaf else section isFree) (path ++ [ name ]) option (catAttrs name given);
    in
    if isFree || unknown == [ ] then
      mapAttrs inner (lib.genAttrs unknown free // declared)
    else
      throw "The option `${show (path ++ [ (lib.head unknown) ])}' does not exist";

  leaf =
    path: option: definitions:
    let
      given = concatMap settle definitions;
      value = lib.foldl' merge (lib.head given) (lib.tail given);
    in
    option
    // {
      isDefined = given != [ ];
      value =
        if option.type ? options then
          values (section true path option.type.options given)
        else if given == [ ] then
          option.default or (throw "The option `${show path}' was accessed but has no value defined")
        else if option.type.check value then
          (option.apply or lib.id) value
        else
          throw "A definition for option `${show path}' is not of type `${option.type.name}'";
    };
  merge =
    a: b:
    if isList a && isList b then
      a ++ b
    else if isAttrs a && isAttrs b then
      a // b
    else
      b;

  values = mapAttrs (_: option: if isOption option then option.value else values option);
  show = lib.concatStringsSep ".";
in
{
  inherit options;
  config = values options;
}
