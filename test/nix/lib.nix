# As much of nixpkgs' lib as the module asks for, so that it can be evaluated where there is no nixpkgs. Options are not
# checked here: that takes the real one.
let
  inherit (builtins)
    attrNames
    concatMap
    elemAt
    filter
    genList
    isAttrs
    isList
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
      keep: set: mapAttrs (_: value: if isAttrs value then lib.filterAttrsRecursive keep value else value) (lib.filterAttrs keep set);
    recursiveUpdate =
      a: b:
      a // mapAttrs (name: value: if isAttrs value && isAttrs (a.${name} or null) then lib.recursiveUpdate a.${name} value else value) b;
    setAttrByPath = path: value: if path == [ ] then value else { ${lib.head path} = lib.setAttrByPath (lib.tail path) value; };
    attrByPath =
      path: default: set:
      if path == [ ] then set else if set ? ${lib.head path} then lib.attrByPath (lib.tail path) default set.${lib.head path} else default;
    init = list: genList (elemAt list) (length list - 1);
    last = list: elemAt list (length list - 1);
    toList = value: if isList value then value else [ value ];
    findFirst = test: default: list: let found = filter test list; in if found == [ ] then default else lib.head found;
    optional = condition: value: if condition then [ value ] else [ ];
    optionals = condition: list: if condition then list else [ ];
    optionalAttrs = condition: set: if condition then set else { };
    optionalString = condition: text: if condition then text else "";
    concatLists = concatMap (list: list);
    hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
    removePrefix = prefix: text: substring (stringLength prefix) (stringLength text) text;
    removeSuffix = suffix: text: substring 0 (stringLength text - stringLength suffix) text;
    hasInfix = infix: text: lib.replaceStrings [ infix ] [ "" ] text != text;
    splitString = separator: text: filter lib.isString (lib.split separator text);
    escapeShellArgs = args: lib.concatStringsSep " " (map (arg: "'${arg}'") args);
    getBin = package: package;
    getExe' = package: name: "${package}/bin/${name}";
    id = value: value;

    mkIf = condition: value: if condition then value else { };
    mkOption = option: option // { _type = "option"; };
    mkEnableOption = _: lib.mkOption { default = false; };
    mkRenamedOptionModule = _: _: { };
    literalExpression = lib.id;
    types =
      lib.genAttrs [ "bool" "str" "raw" "package" "nonEmptyStr" ] (_: { })
      // lib.genAttrs [ "strMatching" "listOf" "attrsOf" ] (_: _: { })
      // lib.genAttrs [ "addCheck" "either" ] (_: _: _: { })
      // {
        ints = { unsigned = { }; positive = { }; };
        numbers.between = _: _: { };
        enum = values: { inherit values; };
        nullOr = lib.id;
        submodule = lib.id;
      };
  };
in
lib
