# As much of nixpkgs' lib as the module asks for, so that it can be evaluated where there is no nixpkgs.
let
  inherit (builtins)
    attrNames
    concatMap
    elemAt
    filter
    genList
    isAttrs
    isInt
    isList
    isString
    length
    listToAttrs
    mapAttrs
    removeAttrs
    stringLength
    substring
    ;
  lib = builtins // {
    nameValuePair = name: value: { inherit name value; };
    mapAttrsToList = f: set: map (name: f name set.${name}) (attrNames set);
    mapAttrs' = f: set: listToAttrs (lib.mapAttrsToList f set);
    genAttrs = names: f: listToAttrs (map (name: lib.nameValuePair name (f name)) names);
    filterAttrs = keep: set: removeAttrs set (filter (name: !keep name set.${name}) (attrNames set));
    filterAttrsRecursive =
      keep: set:
      mapAttrs (_: value: if isAttrs value then lib.filterAttrsRecursive keep value else value) (
        lib.filterAttrs keep set
      );
    recursiveUpdate =
      a: b:
      a
      // mapAttrs (
        name: value:
        if isAttrs value && isAttrs (a.${name} or null) then lib.recursiveUpdate a.${name} value else value
      ) b;
    setAttrByPath =
      path: value:
      if path == [ ] then value else { ${lib.head path} = lib.setAttrByPath (lib.tail path) value; };
    attrByPath =
      path: default: set:
      if path == [ ] then
        set
      else if set ? ${lib.head path} then
        lib.attrByPath (lib.tail path) default set.${lib.head path}
      else
        default;
    getAttrFromPath = path: lib.attrByPath path (throw "There is no ${toString path}");
    last = list: elemAt list (length list - 1);
    toList = value: if isList value then value else [ value ];
    findFirst =
      test: default: list:
      let
        found = filter test list;
      in
      if found == [ ] then default else lib.head found;
    optional = condition: value: if condition then [ value ] else [ ];
    optionals = condition: list: if condition then list else [ ];
    optionalAttrs = condition: set: if condition then set else { };
    optionalString = condition: text: if condition then text else "";
    concatLists = concatMap (list: list);
    hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
    removePrefix = prefix: text: substring (stringLength prefix) (stringLength text) text;
    removeSuffix = suffix: text: substring 0 (stringLength text - stringLength suffix) text;
    hasInfix = infix: text: lib.replaceStrings [ infix ] [ "" ] text != text;
    splitString = separator: text: filter isString (lib.split "[${separator}]" text);
    hasAttrByPath = path: set: lib.attrByPath path null set != null;
    escapeShellArg = arg: "'${arg}'";
    escapeShellArgs = args: lib.concatStringsSep " " (map lib.escapeShellArg args);
    toIntBase10 = digits: lib.fromJSON (lib.head (builtins.match "0*(.+)" digits));
    getBin = package: package;
    getExe' = package: name: "${package}/bin/${name}";
    id = value: value;

    mkIf = condition: content: {
      _type = "if";
      inherit condition content;
    };
    mkOption = option: option // { _type = "option"; };
    mkEnableOption =
      _:
      lib.mkOption {
        type = lib.types.bool;
        default = false;
      };
    mkRenamedOptionModule =
      from: to:
      { options, ... }:
      let
        old = lib.getAttrFromPath from options;
        name = lib.concatStringsSep ".";
      in
      {
        options = lib.setAttrByPath from (lib.mkOption { type = lib.types.raw; });
        config = lib.setAttrByPath to (lib.mkIf old.isDefined old.value) // {
          warnings = lib.optional old.isDefined "The option `${name from}' has been renamed to `${name to}'.";
        };
      };
    evalModules = import ./modules.nix lib;
    literalExpression = lib.id;

    types =
      mapAttrs type {
        bool = builtins.isBool;
        str = isString;
        raw = _: true;
        anything = _: true;
        package = value: value ? outPath;
        nonEmptyStr = value: isString value && value != "";
      }
      // {
        ints = mapAttrs type {
          unsigned = value: isInt value && value >= 0;
          positive = value: isInt value && value > 0;
        };
        numbers.nonnegative = type "number from 0" (
          value: (isInt value || builtins.isFloat value) && value >= 0
        );
        numbers.between =
          low: high:
          type "number from ${toString low} to ${toString high}" (
            value: (isInt value || builtins.isFloat value) && low <= value && value <= high
          );
        strMatching =
          pattern:
          type "string matching ${pattern}" (value: isString value && builtins.match pattern value != null);
        enum = values: type "one of a few" (value: lib.elem value values) // { inherit values; };
        listOf = inner: type "list of ${inner.name}" (value: isList value && lib.all inner.check value);
        attrsOf =
          inner:
          type "set of ${inner.name}" (
            value: isAttrs value && lib.all inner.check (builtins.attrValues value)
          );
        nullOr = inner: inner // { check = value: value == null || inner.check value; };
        addCheck = inner: check: inner // { check = value: inner.check value && check value; };
        either = a: b: type "${a.name} or ${b.name}" (value: a.check value || b.check value);
        submodule = module: type "submodule" isAttrs // { inherit (module) options; };
      };
  };
  type = name: check: { inherit name check; };
in
lib
